// The pages of all KV caches of one engine, in one tensor on the device, so
// that attention can gather any of them in one operation. Taken whole when the
// engine starts: what a device has is then known, and a step does not fail for
// what others took meanwhile.
//
// Engine's thread, its pages too. Their addresses are the device's; only
// `index_of` makes sense of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "actors/model/kv_cache.hpp"

namespace lamina {

class page_pool final : public kv_memory,
                        public std::enable_shared_from_this<page_pool> {
 public:
  /// Room for `pages` pages, of layout [layer][keys, values][head][64]
  /// [head_dim] as the heap's. Throws what libtorch throws.
  page_pool(kv_shape shape, c10::Device device, std::int64_t pages);

  std::shared_ptr<std::byte[]> page() override;
  void copy_page(std::byte* to, const std::byte* from) override;

  std::int64_t index_of(const std::byte* page) const;

  /// Always zero: what stands in for positions that are not there.
  static constexpr std::int64_t empty_page = 0;

  /// Blocks [64][head_dim] of a page; block (layer * 2 + which) * heads + head
  /// is that of keys (0) or values (1).
  std::int64_t blocks_per_page() const { return blocks_per_page_; }

  /// [blocks][64 * head_dim], and the same as [blocks * 64][head_dim], both
  /// from block `first` on.
  at::Tensor blocks_from(std::int64_t first) const;
  at::Tensor rows_from(std::int64_t first) const;

 private:
  std::int64_t head_dim_;
  std::int64_t blocks_per_page_;
  at::Tensor pages_;  // [pages + 1][blocks of a page * 64 * head_dim]
  std::vector<std::int64_t> free_;
};

}  // namespace lamina

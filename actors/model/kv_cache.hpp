// Keys and values of one sequence: what attention has seen so far.
//
// Pages of 64 positions hold all layers, so that a growing sequence never
// copies what it has, and a prefix is shared by sharing its pages. A page that
// somebody else shares is copied before it is written to. Owned by the engine,
// used from its thread (the attention kernels read and write it in parallel).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "protocol/site.hpp"

namespace lamina {

struct kv_shape {
  std::uint32_t layers = 0;
  std::uint32_t heads = 0;  // of keys and values
  std::uint32_t head_dim = 0;
  dtype element = dtype::float32;
};

/// Where pages lie that are not of this process's heap: on a device. Their
/// addresses mean something only to it and to the architecture it is of.
class kv_memory {
 public:
  virtual ~kv_memory() = default;

  /// A page, until its last reference goes. std::bad_alloc when all are taken.
  virtual std::shared_ptr<std::byte[]> page() = 0;
  virtual void copy_page(std::byte* to, const std::byte* from) = 0;
};

class kv_cache {
 public:
  static constexpr std::uint32_t page_positions = 64;

  /// Without `memory` the pages are the heap's.
  explicit kv_cache(kv_shape shape, std::shared_ptr<kv_memory> memory = nullptr)
      : shape_(shape), memory_(std::move(memory)) {}

  const kv_shape& shape() const { return shape_; }
  std::uint32_t length() const { return length_; }
  std::size_t bytes() const { return pages_.size() * page_bytes(shape_); }

  static std::size_t page_bytes(const kv_shape& shape) {
    return std::size_t{2} * shape.layers * shape.heads * page_positions *
           shape.head_dim * size_of(shape.element);
  }
  const std::shared_ptr<kv_memory>& memory() const { return memory_; }

  /// Its pages, which other caches may share: whoever adds up caches counts
  /// each once.
  std::span<const std::shared_ptr<std::byte[]>> pages() const { return pages_; }
  std::size_t page_bytes() const { return page_bytes(shape_); }

  /// Makes room for positions length() .. length() + count - 1 and counts
  /// them as held; the forward pass fills them layer by layer.
  void extend(std::uint32_t count);

  /// Forgets positions from `length` on.
  void truncate(std::uint32_t length);

  /// The first `length` positions, sharing every page that is whole.
  kv_cache prefix(std::uint32_t length) const;

  /// Where a page begins: [layer][keys, values][head][64][head_dim].
  const std::byte* page(std::uint32_t index) const {
    return pages_[index].get();
  }

  /// [64][head_dim] of one page, layer and head. These and `store` are for
  /// pages of the heap.
  const std::byte* keys(std::uint32_t page, std::uint32_t layer,
                        std::uint32_t head) const {
    return pages_[page].get() + offset(layer, 0, head);
  }
  const std::byte* values(std::uint32_t page, std::uint32_t layer,
                          std::uint32_t head) const {
    return pages_[page].get() + offset(layer, 1, head);
  }

  /// Rounds to the cache's element. keys, values: [heads][head_dim].
  void store(std::uint32_t layer, position_t position, const float* keys,
             const float* values);

 private:
  std::size_t head_bytes() const {
    return std::size_t{page_positions} * shape_.head_dim *
           size_of(shape_.element);
  }
  std::size_t offset(std::uint32_t layer, std::uint32_t which,
                     std::uint32_t head) const {
    return ((std::size_t{2} * layer + which) * shape_.heads + head) *
           head_bytes();
  }
  std::shared_ptr<std::byte[]> new_page() const;
  void own_last_page();

  kv_shape shape_;
  std::shared_ptr<kv_memory> memory_;
  std::uint32_t length_ = 0;
  std::vector<std::shared_ptr<std::byte[]>> pages_;
};

}  // namespace lamina

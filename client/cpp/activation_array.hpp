// Activations as one array, put together from the parts that the daemon
// streams. Pure; any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"
#include "protocol/site.hpp"

namespace lamina {

/// Values [slot][position][width] in the model's own element type, row-major,
/// little-endian.
struct activation_array {
  struct slot {
    lamina::site site = site::resid_post;
    std::uint16_t layer = 0;  // 0 where the site has no layers

    friend auto operator<=>(const slot&, const slot&) = default;
  };

  std::string conversation;
  position_t position_begin = 0;
  position_t position_end = 0;  // exclusive
  std::vector<slot> slots;
  std::uint32_t width = 0;
  lamina::dtype dtype = dtype::float32;
  std::vector<std::byte> values;

  std::string source;         // "memory", "disk", "recomputed", or "mixed"
  bool exact = true;          // all of it is
  float relative_error = 0;   // of the worst row; 0: exact
  std::uint32_t took_us = 0;  // in the daemon

  std::size_t positions() const { return position_end - position_begin; }
  std::size_t slot_bytes() const {
    return positions() * width * size_of(dtype);
  }
  std::span<const std::byte> values_of(std::size_t slot_index) const {
    return std::span(values).subspan(slot_index * slot_bytes(), slot_bytes());
  }
};

/// "resid_post.5", "embed": names a slot in files and in documents.
std::string name_of(const activation_array::slot& slot);

/// Collects parts, which may cut the answer by positions, by slots or both,
/// and come in any order.
class activation_assembler {
 public:
  /// malformed_frame when the part's payload is not what its message
  /// announces, or contradicts an earlier part. Copies the payload.
  result<void> add(const wire::ActivationsT& part,
                   std::span<const std::byte> payload);

  /// The whole, slots in the order of their first appearance.
  /// malformed_frame when some slot lacks a position or has it twice.
  result<activation_array> finish();

 private:
  struct piece {
    std::size_t slot;
    position_t position_begin;
    position_t position_end;
    std::vector<std::byte> values;  // [position][width]
  };

  std::size_t index_of(const activation_array::slot& slot);

  activation_array whole_;  // without values until finish()
  std::vector<piece> pieces_;
  bool any_ = false;
};

}  // namespace lamina

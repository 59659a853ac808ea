// Rows that somebody asked for: some slots of one chunk, consecutive positions,
// packed as they are sent: [slot][row][width], the slots in the order asked.
//
// The memory is not cleared: whoever makes a block fills all of it before it is
// shared, or drops it. Several threads may fill slots of their own at a time.
// Shared as `row_block_ptr` it never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"

namespace lamina {

/// What a slot (raw_chunk.hpp) is of; layer 0 for sites without layers.
struct site_layer {
  site at = site::resid_post;
  std::uint32_t layer = 0;
};
constexpr site_layer site_layer_of(std::uint32_t slot, std::uint32_t layers) {
  if (slot == 0) return {site::embed, 0};
  if (slot > layers) return {site::final_norm, 0};
  return {site::resid_post, slot - 1};
}

class row_block {
 public:
  /// Rows row_begin .. row_end-1 of a chunk whose first position is `first`.
  row_block(const capture_shape& shape, position_t first,
            std::vector<std::uint32_t> slots, std::uint32_t row_begin,
            std::uint32_t row_end);

  const capture_shape& shape() const { return shape_; }
  /// The chunk's first position, not the first row's.
  position_t first() const { return first_; }
  std::span<const std::uint32_t> slots() const { return slots_; }
  std::uint32_t row_begin() const { return row_begin_; }
  std::uint32_t row_end() const { return row_end_; }

  /// Rows of the slots at places begin .. end-1 of `slots()`, contiguous.
  std::span<const std::byte> of_places(std::size_t begin,
                                       std::size_t end) const;
  /// One row to be filled; `row` counts in the chunk.
  std::byte* row_at(std::size_t place, std::uint32_t row);

  /// One row of a slot that was asked for.
  std::span<const std::byte> row(std::uint32_t slot, std::uint32_t row) const;
  /// All rows of a slot that was asked for.
  std::span<const std::byte> rows(std::uint32_t slot) const;

  std::size_t bytes() const { return slots_.size() * slot_bytes(); }

 private:
  std::size_t slot_bytes() const {
    return (row_end_ - row_begin_) * shape_.row_bytes();
  }
  std::size_t place_of(std::uint32_t slot) const;

  capture_shape shape_;
  position_t first_;
  std::vector<std::uint32_t> slots_;
  std::uint32_t row_begin_;
  std::uint32_t row_end_;
  std::unique_ptr<std::byte[]> storage_;
};

using row_block_ptr = std::shared_ptr<const row_block>;

/// A copy of rows that the chunk has.
row_block_ptr copy_rows(const raw_chunk& chunk,
                        std::vector<std::uint32_t> slots,
                        std::uint32_t row_begin, std::uint32_t row_end);

/// The same rows in a raw chunk, for the lens: what the block lacks is zero.
ready_rows as_chunk(const row_block& block);

}  // namespace lamina

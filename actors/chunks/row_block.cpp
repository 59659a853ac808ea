#include "actors/chunks/row_block.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace lamina {

row_block::row_block(const capture_shape& shape, position_t first,
                     std::vector<std::uint32_t> slots, std::uint32_t row_begin,
                     std::uint32_t row_end)
    : shape_(shape),
      first_(first),
      slots_(std::move(slots)),
      row_begin_(row_begin),
      row_end_(row_end),
      storage_(std::make_unique_for_overwrite<std::byte[]>(
          slots_.size() * (row_end - row_begin) * shape.row_bytes())) {
  assert(row_begin <= row_end && row_end <= chunk_positions);
}

std::span<const std::byte> row_block::of_places(std::size_t begin,
                                                std::size_t end) const {
  assert(begin <= end && end <= slots_.size());
  return {storage_.get() + begin * slot_bytes(), (end - begin) * slot_bytes()};
}

std::byte* row_block::row_at(std::size_t place, std::uint32_t row) {
  assert(place < slots_.size() && row >= row_begin_ && row < row_end_);
  return storage_.get() + place * slot_bytes() +
         (row - row_begin_) * shape_.row_bytes();
}

std::size_t row_block::place_of(std::uint32_t slot) const {
  const auto at = std::find(slots_.begin(), slots_.end(), slot);
  assert(at != slots_.end());
  return static_cast<std::size_t>(at - slots_.begin());
}

std::span<const std::byte> row_block::row(std::uint32_t slot,
                                          std::uint32_t row) const {
  const std::size_t bytes = shape_.row_bytes();
  return rows(slot).subspan((row - row_begin_) * bytes, bytes);
}

std::span<const std::byte> row_block::rows(std::uint32_t slot) const {
  const std::size_t place = place_of(slot);
  return of_places(place, place + 1);
}

row_block_ptr copy_rows(const raw_chunk& chunk,
                        std::vector<std::uint32_t> slots,
                        std::uint32_t row_begin, std::uint32_t row_end) {
  auto block = std::make_shared<row_block>(
      chunk.shape(), chunk.first(), std::move(slots), row_begin, row_end);
  for (std::size_t place = 0; place < block->slots().size(); ++place)
    for (std::uint32_t row = row_begin; row < row_end; ++row)
      std::ranges::copy(chunk.row(block->slots()[place], row),
                        block->row_at(place, row));
  return block;
}

ready_rows as_chunk(const row_block& block) {
  auto chunk = std::make_shared<raw_chunk>(block.shape(), block.first());
  const std::size_t row_bytes = block.shape().row_bytes();
  for (std::size_t place = 0; place < block.slots().size(); ++place)
    for (std::uint32_t row = block.row_begin(); row < block.row_end(); ++row)
      std::memcpy(chunk->row(block.slots()[place], row).data(),
                  block.of_places(place, place + 1).data() +
                      (row - block.row_begin()) * row_bytes,
                  row_bytes);
  return {std::move(chunk), block.row_begin(), block.row_end()};
}

}  // namespace lamina

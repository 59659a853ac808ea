#include "actors/generations/chunk_gatherer.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace lamina {

chunk_gatherer::chunk_gatherer(capture_shape shape, site_mask sites)
    : shape_(shape), sites_(sites) {
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot) {
    const site at = slot == 0              ? site::embed
                    : slot <= shape.layers ? site::resid_post
                                           : site::final_norm;
    if ((sites & mask_of(at)) != 0) slots_.push_back(slot);
  }
}

result<void> chunk_gatherer::check(std::size_t positions,
                                   std::size_t bytes) const {
  const std::size_t needed = positions * position_bytes();
  if (bytes == 0 || bytes == needed) return success();
  return fail(error_code::invalid_argument,
              std::to_string(positions) + " positions of " +
                  std::to_string(slots_.size()) + " rows of " +
                  std::to_string(shape_.row_bytes()) + " bytes take " +
                  std::to_string(needed) + " bytes; the payload has " +
                  std::to_string(bytes));
}

void chunk_gatherer::open(std::uint32_t index) {
  chunk_ = std::make_shared<raw_chunk>(shape_, first_position(index), sites_);
  relative_error_ = 0;
}

void chunk_gatherer::copy(position_t begin, position_t end,
                          position_t frame_begin, std::uint32_t frame_positions,
                          std::span<const std::byte> rows) {
  const std::size_t row_bytes = shape_.row_bytes();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::size_t from = i * frame_positions + (begin - frame_begin);
    std::memcpy(chunk_->row(slots_[i], row_in_chunk(begin)).data(),
                rows.data() + from * row_bytes, (end - begin) * row_bytes);
  }
}

std::vector<chunk_gatherer::part> chunk_gatherer::add(
    position_t begin, std::uint32_t positions, std::span<const std::byte> rows,
    float relative_error) {
  std::vector<part> parts;
  const position_t end = begin + positions;
  for (position_t at = begin; at < end;) {
    const std::uint32_t index = chunk_of(at);
    const position_t stop = std::min(end, first_position(index + 1));
    if (row_in_chunk(at) == 0) open(index);
    if (rows.empty()) chunk_ = nullptr;
    if (chunk_) {
      copy(at, stop, begin, positions, rows);
      relative_error_ = std::max(relative_error_, relative_error);
    }
    parts.push_back({index,
                     at,
                     stop,
                     {chunk_, 0, stop - first_position(index)},
                     relative_error_});
    at = stop;
  }
  return parts;
}

}  // namespace lamina

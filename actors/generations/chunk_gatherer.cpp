#include "actors/generations/chunk_gatherer.hpp"

#include <algorithm>
#include <string>

namespace lamina {

chunk_gatherer::chunk_gatherer(capture_shape shape, site_mask sites)
    : shape_(shape), sites_(sites) {
  const auto count = [sites](site at, std::size_t slots) {
    return (sites & mask_of(at)) != 0 ? slots : 0;
  };
  slots_ = count(site::embed, 1) + count(site::resid_post, shape.layers) +
           count(site::final_norm, 1);
}

result<void> chunk_gatherer::check(std::size_t positions,
                                   std::size_t bytes) const {
  const std::size_t needed = positions * position_bytes();
  if (bytes == 0 || bytes == needed) return success();
  return fail(error_code::invalid_argument,
              std::to_string(positions) + " positions of " +
                  std::to_string(slots_) + " rows of " +
                  std::to_string(shape_.row_bytes()) + " bytes take " +
                  std::to_string(needed) + " bytes; the payload has " +
                  std::to_string(bytes));
}

void chunk_gatherer::open(std::uint32_t index) {
  chunk_ = std::make_shared<raw_chunk>(shape_, first_position(index), sites_);
  relative_error_ = 0;
}

std::vector<chunk_gatherer::part> chunk_gatherer::add(
    position_t begin, std::uint32_t positions,
    const std::shared_ptr<const byte_buffer>& frame, float relative_error) {
  std::vector<part> parts;
  const std::size_t row_bytes = shape_.row_bytes();
  const position_t end = begin + positions;
  for (position_t at = begin; at < end;) {
    const std::uint32_t index = chunk_of(at);
    const position_t stop = std::min(end, first_position(index + 1));
    if (row_in_chunk(at) == 0) open(index);
    if (!frame) chunk_ = nullptr;
    if (chunk_) {
      chunk_->lay(row_in_chunk(at), stop - first_position(index),
                  frame->data() + (at - begin) * row_bytes,
                  positions * row_bytes, frame);
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

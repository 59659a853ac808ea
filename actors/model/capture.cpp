#include "actors/model/capture.hpp"

#include <algorithm>
#include <cassert>

namespace lamina {

capture::capture(capture_shape shape, position_t from)
    : shape_(shape),
      from_(from),
      lowest_(from == 0 ? 0 : from - 1),
      announced_(lowest_) {
  assert(row_in_chunk(from) == 0);
}

capture::place capture::at(position_t position) {
  if (position < announced_) return {};
  const std::uint32_t chunk = chunk_of(position);
  for (const auto& open : open_)
    if (chunk_of(open->first()) == chunk)
      return {open.get(), row_in_chunk(position)};
  assert(open_.empty() || open_.back()->first() < first_position(chunk));
  open_.push_back(std::make_shared<raw_chunk>(shape_, first_position(chunk)));
  return {open_.back().get(), row_in_chunk(position)};
}

std::vector<ready_rows> capture::announce(position_t end) {
  std::vector<ready_rows> ready;
  while (announced_ < end) {
    assert(!open_.empty());
    const auto chunk = open_.front();
    const position_t last = std::min(end, chunk->first() + chunk_positions);
    const position_t begin = std::max(chunk->first(), lowest_);
    ready.push_back({chunk, begin - chunk->first(), last - chunk->first()});
    announced_ = last;
    if (last == chunk->first() + chunk_positions) open_.pop_front();
  }
  return ready;
}

}  // namespace lamina

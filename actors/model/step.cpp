#include "actors/model/step.hpp"

#include <algorithm>
#include <cstring>

#include "actors/model/kernels/rows.hpp"

namespace lamina {

void step_plan::clear() {
  tokens.clear();
  spans.clear();
  owners.clear();
}

void step_plan::add(sequence& s, std::size_t count) {
  const auto fresh = s.pending().first(count);
  spans.push_back({&s.cache(), s.forwarded(), static_cast<std::uint32_t>(count),
                   static_cast<std::uint32_t>(tokens.size())});
  tokens.insert(tokens.end(), fresh.begin(), fresh.end());
  owners.push_back(&s);
  s.cache().extend(static_cast<std::uint32_t>(count));
}

void step_plan::undo() {
  for (std::size_t i = 0; i < spans.size(); ++i)
    owners[i]->cache().truncate(spans[i].first);
  clear();
}

void chunk_writer::prepare(const step_plan& plan, capture_shape shape) {
  shape_ = shape;
  places_.clear();
  for (std::size_t i = 0; i < plan.spans.size(); ++i) {
    const step_span& s = plan.spans[i];
    capture* wanted = plan.owners[i]->captured();
    for (std::uint32_t p = 0; p < s.count; ++p)
      places_.push_back(wanted ? wanted->at(s.first + p) : capture::place{});
  }
}

void chunk_writer::activations(std::uint32_t slot, const float* rows) {
  for (const capture::place& place : places_) {
    if (place.chunk != nullptr)
      narrow_row(rows, shape_.width, shape_.element,
                 place.chunk->row(slot, place.row).data());
    rows += shape_.width;
  }
}

void chunk_writer::copied_activations(std::uint32_t slot,
                                      const std::byte* rows) {
  for (const capture::place& place : places_) {
    if (place.chunk != nullptr)
      std::memcpy(place.chunk->row(slot, place.row).data(), rows,
                  shape_.row_bytes());
    rows += shape_.row_bytes();
  }
}

bool chunk_writer::wanted() const {
  return std::ranges::any_of(places_, [](const capture::place& place) {
    return place.chunk != nullptr;
  });
}

}  // namespace lamina

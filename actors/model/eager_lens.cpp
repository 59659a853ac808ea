#include "actors/model/eager_lens.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "actors/lens/lens.hpp"

namespace lamina {

eager_lens::eager_lens(std::uint32_t layers, position_t from)
    : rows_(layers + 1), from_(from), announced_(from), ratings_(rows_) {}

void eager_lens::take(position_t position,
                      std::span<const distribution> layers) {
  assert(layers.size() == rows_);
  if (position >= from_) {
    if (records_.empty()) first_rated_ = rated_;
    for (std::uint32_t l = 0; l < rows_; ++l) {
      records_.push_back(record_of(layers[l], layers.back(), l + 1 == rows_));
      if (rated_) records_.back().of_this = ratings_[l];
    }
  }
  rated_ = false;
}

void eager_lens::rate_next(std::span<const token_rating> layers) {
  assert(layers.size() == rows_);
  ratings_.assign(layers.begin(), layers.end());
  rated_ = true;
}

lens_rows_ptr eager_lens::announce(position_t end) {
  if (end <= announced_) return nullptr;
  const std::size_t count = std::size_t{end - announced_} * rows_;
  assert(count <= records_.size());
  auto rows = std::make_shared<lens_rows>();
  rows->first = announced_;
  rows->layers = rows_ - 1;
  rows->first_rated = first_rated_;
  rows->records.assign(records_.begin(), records_.begin() + count);
  records_.erase(records_.begin(), records_.begin() + count);
  announced_ = end;
  first_rated_ = true;  // whatever stays came after a position that was taken
  return rows;
}

}  // namespace lamina

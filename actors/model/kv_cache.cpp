#include "actors/model/kv_cache.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "actors/model/kernels/rows.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t pages_for(std::uint32_t positions) {
  return (positions + kv_cache::page_positions - 1) / kv_cache::page_positions;
}

}  // namespace

// Aligned for float by operator new; the kernels load unaligned.
std::shared_ptr<std::byte[]> kv_cache::new_page() const {
  if (memory_) return memory_->page();
  return std::make_shared_for_overwrite<std::byte[]>(page_bytes(shape_));
}

void kv_cache::extend(std::uint32_t count) {
  own_last_page();
  length_ += count;
  while (pages_.size() < pages_for(length_))
    pages_.push_back(new_page());
}

void kv_cache::truncate(std::uint32_t length) {
  length_ = std::min(length, length_);
  pages_.resize(pages_for(length_));
}

kv_cache kv_cache::prefix(std::uint32_t length) const {
  kv_cache part(shape_, memory_);
  part.length_ = std::min(length, length_);
  part.pages_.assign(pages_.begin(), pages_.begin() + pages_for(part.length_));
  return part;
}

void kv_cache::own_last_page() {
  if (length_ % page_positions == 0 || pages_.back().use_count() == 1) return;
  auto copy = new_page();
  if (memory_)
    memory_->copy_page(copy.get(), pages_.back().get());
  else
    std::memcpy(copy.get(), pages_.back().get(), page_bytes(shape_));
  pages_.back() = std::move(copy);
}

void kv_cache::store(std::uint32_t layer, position_t position,
                     const float* keys, const float* values) {
  assert(position < length_);
  std::byte* page = pages_[position / page_positions].get();
  const std::size_t row_bytes = shape_.head_dim * size_of(shape_.element);
  const std::size_t within = position % page_positions * row_bytes;
  for (std::uint32_t h = 0; h < shape_.heads; ++h) {
    const std::size_t from = std::size_t{h} * shape_.head_dim;
    narrow_row(keys + from, shape_.head_dim, shape_.element,
               page + offset(layer, 0, h) + within);
    narrow_row(values + from, shape_.head_dim, shape_.element,
               page + offset(layer, 1, h) + within);
  }
}

}  // namespace lamina

#include "actors/model/device/page_pool.hpp"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <new>

#include "actors/model/device/torch_device.hpp"

namespace lamina {
namespace {

constexpr std::int64_t positions = kv_cache::page_positions;

}  // namespace

page_pool::page_pool(kv_shape shape, c10::Device device, std::int64_t pages)
    : head_dim_(shape.head_dim),
      blocks_per_page_(std::int64_t{2} * shape.layers * shape.heads) {
  const c10::InferenceMode guard;
  pages_ =
      at::empty({pages + 1, blocks_per_page_ * positions * head_dim_},
                at::TensorOptions(torch_type(shape.element)).device(device));
  pages_.select(0, empty_page).zero_();
  for (std::int64_t index = pages; index > empty_page; --index)
    free_.push_back(index);
}

// Zeroed: attention weighs positions that are not there with 0, which does
// not make a number of a NaN that somebody left.
std::shared_ptr<std::byte[]> page_pool::page() {
  if (free_.empty()) throw std::bad_alloc();
  const std::int64_t index = free_.back();
  const c10::InferenceMode guard;
  const at::Tensor taken = pages_.select(0, index);
  taken.zero_();
  std::shared_ptr<std::byte[]> page(
      static_cast<std::byte*>(taken.data_ptr()),
      [pool = shared_from_this(), index](std::byte*) {
        pool->free_.push_back(index);  // which has room for all
      });
  free_.pop_back();
  return page;
}

void page_pool::copy_page(std::byte* to, const std::byte* from) {
  const c10::InferenceMode guard;
  pages_.select(0, index_of(to)).copy_(pages_.select(0, index_of(from)));
}

std::int64_t page_pool::index_of(const std::byte* page) const {
  const auto* first = static_cast<const std::byte*>(pages_.data_ptr());
  return (page - first) /
         static_cast<std::int64_t>(pages_.size(1) * pages_.element_size());
}

at::Tensor page_pool::blocks_from(std::int64_t first) const {
  return pages_.view({-1, positions * head_dim_}).slice(0, first);
}

at::Tensor page_pool::rows_from(std::int64_t first) const {
  return pages_.view({-1, head_dim_}).slice(0, first * positions);
}

}  // namespace lamina

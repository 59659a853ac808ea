#include "actors/model/device/device_head.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "actors/model/device/device_scores.hpp"
#include "actors/model/device/torch_device.hpp"
#include "actors/model/kernels/team.hpp"

namespace lamina {
namespace {

// Of a widened piece of the head.
constexpr std::int64_t piece_elements = std::int64_t{1} << 24;

}  // namespace

at::Tensor device_head::norm(const at::Tensor& residuals) const {
  return norm_(residuals).to(weight_.scalar_type()).to(at::kFloat);
}

at::Tensor device_head::logits(const at::Tensor& residuals) const {
  const at::Tensor x = norm(residuals);
  if (weight_.scalar_type() == at::kFloat) return x.matmul(weight_.t());
  const at::Tensor out =
      at::empty({x.size(0), weight_.size(0)}, residuals.options());
  const std::int64_t step =
      std::max<std::int64_t>(piece_elements / weight_.size(1), 1);
  for (std::int64_t first = 0; first < weight_.size(0); first += step) {
    const std::int64_t last = std::min(first + step, weight_.size(0));
    const at::Tensor piece = weight_.slice(0, first, last).to(at::kFloat);
    out.slice(1, first, last).copy_(x.matmul(piece.t()));
  }
  return out;
}

at::Tensor device_head::uploaded(std::span<const float> residuals,
                                 std::uint32_t rows) const {
  return as_tensor(residuals.data(), {rows, width()}, at::kFloat)
      .to(weight_.device());
}

void device_head::logits(std::span<const float> residuals, std::uint32_t rows,
                         std::span<float> out, int threads) const {
  const c10::InferenceMode guard;
  const thread_limit limit(threads);
  at::from_blob(out.data(), {rows, vocabulary()}, at::TensorOptions(at::kFloat))
      .copy_(logits(uploaded(residuals, rows)));
}

scored_rows_ptr device_head::score(std::span<const float> residuals,
                                   std::uint32_t rows, int threads) const {
  const c10::InferenceMode guard;
  const thread_limit limit(threads);
  return score(uploaded(residuals, rows));
}

scored_rows_ptr device_head::score(const at::Tensor& residuals) const {
  const c10::InferenceMode guard;
  return std::make_unique<device_scores>(logits(residuals));
}

}  // namespace lamina

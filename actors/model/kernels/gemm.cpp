#include "actors/model/kernels/gemm.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <vector>

#include "actors/model/kernels/rows.hpp"

namespace lamina {
namespace {

// A tile of widened weights: large enough for GEMM to be at its best, small
// enough to stay in the last-level cache.
constexpr std::size_t tile_elements = std::size_t{1} << 20;

// Foreign memory as a tensor [rows][columns], rows `stride` elements apart.
// libtorch takes a mutable pointer also for what it only reads.
at::Tensor view(const float* elements, std::int64_t rows, std::int64_t columns,
                std::int64_t stride) {
  return at::from_blob(const_cast<float*>(elements), {rows, columns},
                       {stride, 1}, at::TensorOptions(at::kFloat));
}

void widen_tile(const matrix& weight, std::uint32_t first, std::uint32_t last,
                float* wide) {
  const std::size_t columns = weight.columns;
#pragma omp parallel for schedule(static)
  for (std::uint32_t row = first; row < last; ++row)
    widen_row(weight, row, {wide + (row - first) * columns, columns});
}

}  // namespace

void gemm(const float* x, std::uint32_t rows, const matrix& weight,
          float* out) {
  const c10::InferenceMode guard;
  const std::uint32_t columns = weight.columns;
  const at::Tensor left = view(x, rows, columns, columns);
  at::Tensor result = view(out, rows, weight.rows, weight.rows);
  if (weight.element == weight_type::float32) {
    const at::Tensor right =
        view(weight.row_as<float>(0), weight.rows, columns, columns);
    at::mm_out(result, left, right.t());
    return;
  }
  thread_local std::vector<float> tile;
  const auto tile_rows = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(tile_elements / columns, 16, weight.rows));
  tile.resize(std::size_t{tile_rows} * columns);
  for (std::uint32_t first = 0; first < weight.rows; first += tile_rows) {
    const std::uint32_t last = std::min(first + tile_rows, weight.rows);
    widen_tile(weight, first, last, tile.data());
    at::Tensor slice = result.slice(1, first, last);
    at::mm_out(slice, left,
               view(tile.data(), last - first, columns, columns).t());
  }
}

}  // namespace lamina

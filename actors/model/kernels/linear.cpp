#include "actors/model/kernels/linear.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/model/kernels/linear.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

#include "actors/model/kernels/vector-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

// Weight rows `first` .. `first + Outs` against all rows of x. For more rows
// than one pass holds, bfloat16 weights are widened once into a buffer that
// stays in the first-level cache; partial sums of long rows are added up.
constexpr std::size_t block_columns = 1024;

template <int Rows, int Outs, class Weight>
HWY_INLINE void add_block(const float* x, std::size_t columns, const Weight* w,
                          std::size_t w_stride, std::size_t count, bool begin,
                          float* out, std::size_t out_stride) {
  float sums[Rows][Outs];
  dot_block(x, columns, w, w_stride, count, sums);
  for (int r = 0; r < Rows; ++r)
    for (int o = 0; o < Outs; ++o) {
      float& cell = out[r * out_stride + o];
      cell = begin ? sums[r][o] : cell + sums[r][o];
    }
}

template <int Outs, class Weight>
HWY_INLINE void all_rows(const float* x, std::uint32_t rows,
                         std::size_t columns, const Weight* w,
                         std::size_t w_stride, std::size_t count, bool begin,
                         float* out, std::size_t out_stride) {
  std::uint32_t r = 0;
  for (; r + 3 <= rows; r += 3)
    add_block<3, Outs>(x + r * columns, columns, w, w_stride, count, begin,
                       out + r * out_stride, out_stride);
  x += r * columns;
  out += r * out_stride;
  if (rows - r == 2)
    add_block<2, Outs>(x, columns, w, w_stride, count, begin, out, out_stride);
  else if (rows - r == 1)
    add_block<1, Outs>(x, columns, w, w_stride, count, begin, out, out_stride);
}

template <int Outs>
HWY_INLINE void widen_block(const std::uint16_t* w, std::size_t columns,
                            std::size_t count, float* wide) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  for (int o = 0; o < Outs; ++o) {
    const std::uint16_t* from = w + o * columns;
    float* to = wide + o * block_columns;
    std::size_t i = 0;
    for (; i + step <= count; i += step)
      hn::StoreU(load(d, from + i), d, to + i);
    for (; i < count; ++i)
      to[i] = widen(from[i]);
  }
}

template <int Outs, class Weight>
HWY_INLINE void output_block(const float* x, std::uint32_t rows,
                             const matrix& weight, std::uint32_t first,
                             float* out) {
  const std::size_t columns = weight.columns;
  const Weight* w = weight.row_as<Weight>(first);
  out += first;
  HWY_ALIGN float wide[Outs * block_columns];
  for (std::size_t c = 0; c < columns; c += block_columns) {
    const std::size_t count =
        columns - c < block_columns ? columns - c : block_columns;
    if constexpr (sizeof(Weight) == 2) {
      if (rows > 3) {
        widen_block<Outs>(w + c, columns, count, wide);
        all_rows<Outs>(x + c, rows, columns, wide, block_columns, count, c == 0,
                       out, weight.rows);
        continue;
      }
    }
    all_rows<Outs>(x + c, rows, columns, w + c, columns, count, c == 0, out,
                   weight.rows);
  }
}

template <class Weight>
HWY_INLINE void output_rows(const float* x, std::uint32_t rows,
                            const matrix& weight, std::uint32_t first,
                            std::uint32_t last, float* out) {
  std::uint32_t o = first;
  for (; o + 4 <= last; o += 4)
    output_block<4, Weight>(x, rows, weight, o, out);
  for (; o < last; ++o)
    output_block<1, Weight>(x, rows, weight, o, out);
}

void outputs(const float* x, std::uint32_t rows, const matrix& weight,
             std::uint32_t first, std::uint32_t last, float* out) {
  if (weight.element == dtype::float32)
    output_rows<float>(x, rows, weight, first, last, out);
  else
    output_rows<std::uint16_t>(x, rows, weight, first, last, out);
}

const char* target() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <omp.h>

#include <algorithm>

#include "actors/model/kernels/gemm.hpp"

namespace lamina {
namespace {

HWY_EXPORT(outputs);
HWY_EXPORT(target);

// Work that one thread takes at a time, and below which a second thread costs
// more to wake than it saves.
constexpr std::uint32_t outputs_per_task = 32;
constexpr std::uint64_t parallel_products_min = 200'000;

void small_batch(const float* x, std::uint32_t rows,
                 std::span<const projection> projections) {
  std::uint64_t products = 0;
  std::uint32_t tasks = 0;
  for (const auto& p : projections) {
    products += std::uint64_t{p.weight.rows} * p.weight.columns * rows;
    tasks += (p.weight.rows + outputs_per_task - 1) / outputs_per_task;
  }
  const bool parallel = products >= parallel_products_min;
#pragma omp parallel for schedule(dynamic, 2) if (parallel)
  for (std::uint32_t task = 0; task < tasks; ++task) {
    std::uint32_t local = task;
    for (const auto& p : projections) {
      const std::uint32_t of_this =
          (p.weight.rows + outputs_per_task - 1) / outputs_per_task;
      if (local >= of_this) {
        local -= of_this;
        continue;
      }
      const std::uint32_t first = local * outputs_per_task;
      const std::uint32_t last =
          std::min(first + outputs_per_task, p.weight.rows);
      HWY_DYNAMIC_DISPATCH(outputs)(x, rows, p.weight, first, last, p.out);
      break;
    }
  }
}

}  // namespace

void linear(const float* x, std::uint32_t rows,
            std::span<const projection> projections) {
  if (rows == 0) return;
  if (rows <= small_batch_rows_max) {
    small_batch(x, rows, projections);
    return;
  }
  for (const auto& p : projections)
    gemm(x, rows, p.weight, p.out);
}

std::string matmul_path() {
  return "rows <= " + std::to_string(small_batch_rows_max) + ": simd " +
         HWY_DYNAMIC_DISPATCH(target)() + "; more: libtorch sgemm";
}

thread_limit::thread_limit(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(std::max(threads, 1));
}

thread_limit::~thread_limit() {
  omp_set_num_threads(before_);
}

}  // namespace lamina

#endif  // HWY_ONCE

#include "actors/model/kernels/simd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/model/kernels/simd.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "actors/model/kernels/vector-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

// Rows of x that a block of registers takes: with the four weights they fill
// 32 registers of AVX-512, or 16.
constexpr int block_rows_max = HWY_TARGET <= HWY_AVX3 ? 6 : 2;

// How far ahead of its use a line of weights is asked for. The hardware's own
// prefetching stops at each page.
constexpr std::size_t ahead_bytes = 1024;

// Columns that one step of `dot` takes: two registers of floats.
HWY_INLINE std::size_t step_columns() {
  return 2 * hn::Lanes(lanes());
}

// out[r][o] = x[r] . w[o] for `Rows` rows of x and `Outs` rows of weights,
// which lie `w_stride` elements apart, and their results `out_step`.
template <int Rows, int Outs, bool Fetch, class Weight>
HWY_INLINE void dot(const simd_rows& x, std::uint32_t row, const Weight* w,
                    std::size_t w_stride, float* out, std::size_t out_stride,
                    std::size_t out_step) {
  const std::size_t half = hn::Lanes(lanes());
  vec acc[Rows][Outs];
  clear_sums(acc);
  const float* left = x.row(row);
  std::size_t i = 0;
  for (; i + 2 * half <= x.columns; i += 2 * half) {
    vec first[Outs], second[Outs];
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o) {
      const Weight* at = w + o * w_stride + i;
      if constexpr (Fetch) {
        hwy::Prefetch(reinterpret_cast<const char*>(at) + ahead_bytes);
        if constexpr (sizeof(Weight) * 2 * hn::MaxLanes(lanes()) > 64)
          hwy::Prefetch(reinterpret_cast<const char*>(at) + ahead_bytes + 64);
      }
      load_pair(at, first[o], second[o]);
    }
    add_products(left + i, x.stride, first, acc);
    add_products(left + i + half, x.stride, second, acc);
  }
  // The columns that are left were not rearranged.
  finish_sums(acc, left, x.stride, w, w_stride, i, x.columns,
              [&](int r, int o, float sum) {
                out[r * out_stride + o * out_step] = sum;
              });
}

template <int Rows, int Outs, class Weight>
HWY_INLINE void all_rows(const simd_rows& x, const Weight* w,
                         std::size_t w_stride, float* out,
                         std::size_t out_stride, std::size_t out_step) {
  dot<Rows, Outs, true>(x, 0, w, w_stride, out, out_stride, out_step);
  std::uint32_t r = Rows;
  for (; r + Rows <= x.rows; r += Rows)
    dot<Rows, Outs, false>(x, r, w, w_stride, out + r * out_stride, out_stride,
                           out_step);
  for (; r < x.rows; ++r)
    dot<1, Outs, false>(x, r, w, w_stride, out + r * out_stride, out_stride,
                        out_step);
}

// Blocks as even as they can be: 13 rows are 5 and 4 and 4, not 6 and 6 and 1.
template <int Outs, class Weight>
HWY_INLINE void block(const simd_rows& x, const Weight* w, std::size_t w_stride,
                      float* out, std::size_t out_stride,
                      std::size_t out_step) {
  const std::uint32_t blocks = (x.rows + block_rows_max - 1) / block_rows_max;
  switch (x.rows / blocks) {
    case 1:
      return all_rows<1, Outs>(x, w, w_stride, out, out_stride, out_step);
    case 2:
      return all_rows<2, Outs>(x, w, w_stride, out, out_stride, out_step);
#if HWY_TARGET <= HWY_AVX3
    case 3:
      return all_rows<3, Outs>(x, w, w_stride, out, out_stride, out_step);
    case 4:
      return all_rows<4, Outs>(x, w, w_stride, out, out_stride, out_step);
    case 5:
      return all_rows<5, Outs>(x, w, w_stride, out, out_stride, out_step);
    default:
      return all_rows<6, Outs>(x, w, w_stride, out, out_stride, out_step);
#endif
  }
}

// Four streams of weights, a quarter of the outputs each: several pages at
// once keep more of memory busy than one.
template <class Weight>
HWY_INLINE void outputs_of(const simd_rows& x, const matrix& weight,
                           std::uint32_t first, std::uint32_t last,
                           float* out) {
  const std::uint32_t quarter = (last - first) / 4;
  for (std::uint32_t i = 0; i < quarter; ++i)
    block<4>(x, weight.row_as<Weight>(first + i),
             std::size_t{quarter} * weight.columns, out + first + i,
             weight.rows, quarter);
  for (std::uint32_t o = first + 4 * quarter; o < last; ++o)
    block<1>(x, weight.row_as<Weight>(o), 0, out + o, weight.rows, 0);
}

void outputs(const simd_rows& x, const matrix& weight, std::uint32_t first,
             std::uint32_t last, float* out) {
  if (weight.element == weight_type::float32)
    outputs_of<float>(x, weight, first, last, out);
  else
    outputs_of<std::uint16_t>(x, weight, first, last, out);
}

// Even columns of a stretch first, then the odd ones.
void part(const float* x, std::size_t columns, float* out) {
  const std::size_t step = step_columns();
  std::size_t i = 0;
  for (; i + step <= columns; i += step)
    for (std::size_t c = 0; c < step; ++c)
      out[i + c % 2 * (step / 2) + c / 2] = x[i + c];
  for (; i < columns; ++i)
    out[i] = x[i];
}

bool any_rows() {
  return HWY_TARGET <= HWY_AVX3;
}

const char* target() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <algorithm>
#include <limits>
#include <memory>

namespace lamina {
namespace {

HWY_EXPORT(outputs);
HWY_EXPORT(part);
HWY_EXPORT(any_rows);
HWY_EXPORT(target);

constexpr std::size_t alignment = 64;  // the widest register, a cache line

}  // namespace

void pack_rows(simd_rows& to, const float* x, std::uint32_t rows,
               std::uint32_t columns, weight_type element) {
  constexpr std::size_t line = alignment / sizeof(float);
  to.rows = rows;
  to.columns = columns;
  // An odd number of lines, so that rows do not fall into the same cache sets.
  to.stride = ((columns / line + 1) | 1) * line;
  to.memory.resize(rows * to.stride + line);
  void* begin = to.memory.data();
  std::size_t space = to.memory.size() * sizeof(float);
  to.begin = static_cast<float*>(
      std::align(alignment, rows * to.stride * sizeof(float), begin, space));
  for (std::uint32_t r = 0; r < rows; ++r) {
    const float* from = x + std::size_t{r} * columns;
    float* row = to.begin + r * to.stride;
    if (element == weight_type::float32)
      std::copy(from, from + columns, row);
    else
      HWY_DYNAMIC_DISPATCH(part)(from, columns, row);
  }
}

void simd_outputs(const simd_rows& x, const matrix& weight, std::uint32_t first,
                  std::uint32_t last, float* out) {
  HWY_DYNAMIC_DISPATCH(outputs)(x, weight, first, last, out);
}

std::uint32_t simd_rows_max(weight_type element) {
  if (!HWY_DYNAMIC_DISPATCH(any_rows)()) return 32;
  return element == weight_type::int8
             ? 128
             : std::numeric_limits<std::uint32_t>::max();
}

const char* simd_target() {
  return HWY_DYNAMIC_DISPATCH(target)();
}

}  // namespace lamina

#endif  // HWY_ONCE

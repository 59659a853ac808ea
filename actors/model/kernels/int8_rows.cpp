#include "actors/model/kernels/int8_rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/model/kernels/int8_rows.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace lamina::int8::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using lanes = hn::CappedTag<float, block_rows>;
using vec = hn::Vec<lanes>;

// Registers of a column of a block.
constexpr int parts = static_cast<int>(block_rows / hn::MaxLanes(lanes()));

// Rows of x that are multiplied at once: two sums each, for every part of a
// column, leave registers of 32 or 16 to the weights.
constexpr int rows_max = HWY_TARGET <= HWY_AVX3 ? 6 : 3;

// Blocks at once: chains of sums enough to hide what each addition takes.
template <int Rows>
constexpr int blocks_of = HWY_TARGET > HWY_AVX3 ? 1
                          : Rows <= 2           ? 4
                                                : 2;

// Columns whose even and odd products are summed apart.
constexpr std::size_t stretch = 32;

// How far ahead of its use a line of weights is asked for. The hardware's own
// prefetching stops at each page.
constexpr std::size_t ahead_bytes = 1024;

template <int Rows, int Blocks>
struct sums {
  vec of[Rows][Blocks * parts];
};

// Loops over sums are unrolled by hand: at -O2 GCC would keep an array that a
// loop walks over in memory.
template <int Rows, int Blocks>
HWY_INLINE void clear(sums<Rows, Blocks>& s) {
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (int p = 0; p < Blocks * parts; ++p)
      s.of[r][p] = hn::Zero(lanes());
}

// One column: x is its number in row 0, w those of the first block's outputs.
template <int Rows, int Blocks>
HWY_INLINE void add_column(const float* x, std::size_t x_stride,
                           const std::int8_t* w, std::size_t block_bytes,
                           sums<Rows, Blocks>& s) {
  const lanes d;
  const hn::Rebind<std::int8_t, lanes> d8;
  const hn::RebindToSigned<lanes> d32;
  vec wide[Blocks * parts];
#pragma GCC unroll 16
  for (int p = 0; p < Blocks * parts; ++p)
    wide[p] = hn::ConvertTo(
        d, hn::PromoteTo(d32, hn::LoadU(d8, w + p / parts * block_bytes +
                                                p % parts * hn::Lanes(d))));
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
    const vec left = hn::Set(d, x[r * x_stride]);
#pragma GCC unroll 16
    for (int p = 0; p < Blocks * parts; ++p)
      s.of[r][p] = hn::MulAdd(left, wide[p], s.of[r][p]);
  }
}

// A block's outputs of one row, as many as there are of the sixteen.
HWY_INLINE void write(const vec* of, const float* scales, std::uint32_t count,
                      float* out) {
  const lanes d;
  HWY_ALIGN float scaled[block_rows];
#pragma GCC unroll 16
  for (int p = 0; p < parts; ++p) {
    const std::size_t at = p * hn::Lanes(d);
    const vec by = hn::Mul(of[p], hn::LoadU(d, scales + at));
    if (count == block_rows)
      hn::StoreU(by, d, out + at);
    else
      hn::StoreU(by, d, scaled + at);
  }
  if (count != block_rows) std::copy_n(scaled, count, out);
}

// `Rows` rows of x against `Blocks` blocks from `block` on.
template <int Rows, int Blocks, bool Fetch>
HWY_INLINE void multiply(const float* x, const matrix& w, std::uint32_t block,
                         float* out) {
  const std::size_t columns = w.columns;
  const std::size_t block_bytes = columns * block_rows;
  const std::int8_t* at = w.block(block);
  sums<Rows, Blocks> total;
  clear(total);
  for (std::size_t first = 0; first < columns; first += stretch) {
    const std::size_t last = std::min(first + stretch, columns);
    sums<Rows, Blocks> even, odd;
    clear(even);
    clear(odd);
    std::size_t c = first;
    for (; c + 2 <= last; c += 2, at += 2 * block_rows) {
      if constexpr (Fetch)
        for (int b = 0; b < Blocks; ++b)
          hwy::Prefetch(at + b * block_bytes + ahead_bytes);
      add_column(x + c, columns, at, block_bytes, even);
      add_column(x + c + 1, columns, at + block_rows, block_bytes, odd);
    }
    if (c < last) add_column(x + c, columns, at, block_bytes, even);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
      for (int p = 0; p < Blocks * parts; ++p)
        total.of[r][p] =
            hn::Add(total.of[r][p], hn::Add(even.of[r][p], odd.of[r][p]));
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int b = 0; b < Blocks; ++b) {
      const std::uint32_t o = (block + b) * block_rows;
      write(total.of[r] + b * parts, w.scales + o,
            std::min(w.rows - o, block_rows),
            out + r * std::size_t{w.rows} + o);
    }
}

template <int Rows, int Blocks>
HWY_INLINE void all_rows(const float* x, std::uint32_t rows, const matrix& w,
                         std::uint32_t block, float* out) {
  multiply<Rows, Blocks, true>(x, w, block, out);
  std::size_t r = Rows;
  for (; r + Rows <= rows; r += Rows)
    multiply<Rows, Blocks, false>(x + r * w.columns, w, block,
                                  out + r * w.rows);
  for (; r < rows; ++r)
    multiply<1, Blocks, false>(x + r * w.columns, w, block, out + r * w.rows);
}

template <int Rows>
void all_blocks(const float* x, std::uint32_t rows, const matrix& w,
                std::uint32_t first, std::uint32_t last, float* out) {
  constexpr int together = blocks_of<Rows>;
  for (; first + together <= last; first += together)
    all_rows<Rows, together>(x, rows, w, first, out);
  for (; first < last; ++first)
    all_rows<Rows, 1>(x, rows, w, first, out);
}

// Rows as even as they can be: 13 are 5 and 4 and 4, not 6 and 6 and 1.
void blocks(const float* x, std::uint32_t rows, const matrix& w,
            std::uint32_t first, std::uint32_t last, float* out) {
  switch (rows / ((rows + rows_max - 1) / rows_max)) {
    case 1:
      return all_blocks<1>(x, rows, w, first, last, out);
    case 2:
      return all_blocks<2>(x, rows, w, first, last, out);
    case 3:
      return all_blocks<3>(x, rows, w, first, last, out);
#if HWY_TARGET <= HWY_AVX3
    case 4:
      return all_blocks<4>(x, rows, w, first, last, out);
    case 5:
      return all_blocks<5>(x, rows, w, first, last, out);
    case 6:
      return all_blocks<6>(x, rows, w, first, last, out);
#endif
  }
}

}  // namespace lamina::int8::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <cassert>

namespace lamina {
namespace int8 {

HWY_EXPORT(blocks);

}  // namespace int8

void int8_rows(const float* x, std::uint32_t rows, const matrix& weight,
               std::uint32_t first, std::uint32_t last, float* out) {
  assert(weight.element == weight_type::int8 && rows > 0);
  using namespace int8;
  HWY_DYNAMIC_DISPATCH(blocks)(x, rows, weight, first, last, out);
}

}  // namespace lamina

#endif  // HWY_ONCE

// Loads and dot products shared by the SIMD kernels. Compiled once per
// instruction set (Highway, run-time dispatch), hence the toggled guard.
//
// A weight is float or bfloat16; bfloat16 (as uint16_t) widens to float by a
// shift. All arithmetic is float32.
#if defined(LAMINA_VECTOR_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_VECTOR_INL
#undef LAMINA_VECTOR_INL
#else
#define LAMINA_VECTOR_INL
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "protocol/floats.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using lanes = hn::ScalableTag<float>;
using vec = hn::Vec<lanes>;

HWY_INLINE vec load(lanes d, const float* from) {
  return hn::LoadU(d, from);
}

HWY_INLINE vec load(lanes d, const std::uint16_t* from) {
  const hn::Rebind<std::uint16_t, lanes> d16;
  const hn::RebindToUnsigned<lanes> d32;
  const auto wide = hn::PromoteTo(d32, hn::LoadU(d16, from));
  return hn::BitCast(d, hn::ShiftLeft<16>(wide));
}

HWY_INLINE float widen(float value) {
  return value;
}
HWY_INLINE float widen(std::uint16_t bits) {
  return float_of_bfloat16(bits);
}

/// The two registers of weights that go with two of x: in order, or, of
/// bfloat16, the even and the odd columns (pack_rows).
template <class Weight>
HWY_INLINE void load_pair(const Weight* w, vec& first, vec& second) {
  const lanes d;
  first = load(d, w);
  second = load(d, w + hn::Lanes(d));
}

// bfloat16 is the upper half of a float: the odd columns need their lower
// half cleared, the even ones a shift.
HWY_INLINE void load_pair(const std::uint16_t* w, vec& even, vec& odd) {
#if HWY_TARGET == HWY_SCALAR
  even = hn::Set(lanes(), widen(w[0]));
  odd = hn::Set(lanes(), widen(w[1]));
#else
  const lanes d;
  const hn::RebindToUnsigned<lanes> d32;
  const hn::Repartition<std::uint16_t, lanes> d16;
  const auto both = hn::BitCast(d32, hn::LoadU(d16, w));
  even = hn::BitCast(d, hn::ShiftLeft<16>(both));
  odd = hn::BitCast(d, hn::And(both, hn::Set(d32, 0xffff0000u)));
#endif
}

// Loops over accumulators are unrolled by hand: at -O2 GCC would keep an array
// that a loop walks over in memory.

template <int Rows, int Outs>
HWY_INLINE void clear_sums(vec (&acc)[Rows][Outs]) {
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o)
      acc[r][o] = hn::Zero(lanes());
}

/// acc[r][o] += x[r] * w[o], one register of columns.
template <int Rows, int Outs>
HWY_INLINE void add_products(const float* x, std::size_t x_stride,
                             const vec (&w)[Outs], vec (&acc)[Rows][Outs]) {
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
    const vec left = hn::LoadU(lanes(), x + r * x_stride);
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o)
      acc[r][o] = hn::MulAdd(left, w[o], acc[r][o]);
  }
}

/// put(r, o, sum) for every accumulator, with the columns `first` .. `count` -
/// 1 added that filled no register.
template <int Rows, int Outs, class Weight, class Put>
HWY_INLINE void finish_sums(const vec (&acc)[Rows][Outs], const float* x,
                            std::size_t x_stride, const Weight* w,
                            std::size_t w_stride, std::size_t first,
                            std::size_t count, Put put) {
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o) {
      float sum = hn::GetLane(hn::SumOfLanes(lanes(), acc[r][o]));
      for (std::size_t c = first; c < count; ++c)
        sum += x[r * x_stride + c] * widen(w[o * w_stride + c]);
      put(r, o, sum);
    }
}

/// The sum of the squares of x [count].
HWY_INLINE float squares(const float* x, std::size_t count) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  vec acc = hn::Zero(d);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec v = hn::LoadU(d, x + i);
    acc = hn::MulAdd(v, v, acc);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, acc));
  for (; i < count; ++i)
    sum += x[i] * x[i];
  return sum;
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_VECTOR_INL

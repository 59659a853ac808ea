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

#include <bit>
#include <cstddef>
#include <cstdint>

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
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

/// sums[r][o] = x[r] . w[o], for `Rows` rows of x and `Outs` rows of w, each
/// `count` long and `x_stride` / `w_stride` elements apart. Holds Rows * Outs
/// accumulators: 3 x 4 fill the sixteen registers of AVX2. Unrolled by hand:
/// at -O2 GCC would keep an array that a loop walks over in memory.
template <int Rows, int Outs, class Weight>
HWY_INLINE void dot_block(const float* x, std::size_t x_stride, const Weight* w,
                          std::size_t w_stride, std::size_t count,
                          float (&sums)[Rows][Outs]) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  vec acc[Rows][Outs];
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int o = 0; o < Outs; ++o)
      acc[r][o] = hn::Zero(d);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    vec wide[Outs];
#pragma GCC unroll 4
    for (int o = 0; o < Outs; ++o)
      wide[o] = load(d, w + o * w_stride + i);
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) {
      const vec left = hn::LoadU(d, x + r * x_stride + i);
#pragma GCC unroll 4
      for (int o = 0; o < Outs; ++o)
        acc[r][o] = hn::MulAdd(left, wide[o], acc[r][o]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int o = 0; o < Outs; ++o) {
      float sum = hn::GetLane(hn::SumOfLanes(d, acc[r][o]));
      for (std::size_t tail = i; tail < count; ++tail)
        sum += x[r * x_stride + tail] * widen(w[o * w_stride + tail]);
      sums[r][o] = sum;
    }
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_VECTOR_INL

// Vectors of a row's channels, shared by the codec's kernels: what is finite,
// what the layer below leads to expect. Compiled once for each instruction set
// (Highway, run-time dispatch), hence the toggled guard; the scalar
// counterparts, for a row's end, are the same for all.
#ifndef LAMINA_CODEC_ROW_SCALARS
#define LAMINA_CODEC_ROW_SCALARS

#include <bit>
#include <cstddef>
#include <cstdint>

namespace lamina {

inline constexpr std::uint32_t magnitude_mask = 0x7fffffffu;
inline constexpr std::uint32_t infinity_bits = 0x7f800000u;
inline constexpr unsigned magnitude_shift = 21;

inline std::uint32_t bits_of(float x) {
  return std::bit_cast<std::uint32_t>(x);
}

inline bool is_finite(float x) {
  return (bits_of(x) & magnitude_mask) < infinity_bits;
}

// A number to predict from: what is not finite predicts zero.
inline float usable(float x) {
  return is_finite(x) ? x : 0.0f;
}

inline float expected(const float* previous, std::size_t i, float gain) {
  return previous == nullptr ? 0.0f : gain * usable(previous[i]);
}

}  // namespace lamina
#endif  // LAMINA_CODEC_ROW_SCALARS

#if defined(LAMINA_CODEC_ROW_LANES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_CODEC_ROW_LANES_INL
#undef LAMINA_CODEC_ROW_LANES_INL
#else
#define LAMINA_CODEC_ROW_LANES_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using lanes = hn::ScalableTag<float>;
using lanes_i = hn::RebindToSigned<lanes>;
using lanes_u = hn::RebindToUnsigned<lanes>;
using lanes_16 = hn::Rebind<std::uint16_t, lanes>;
using lanes_8 = hn::Rebind<std::uint8_t, lanes>;
using vec = hn::Vec<lanes>;
using vec_i = hn::Vec<lanes_i>;
using vec_u = hn::Vec<lanes_u>;

HWY_INLINE vec_u magnitude_bits(vec x) {
  return hn::And(hn::BitCast(lanes_u(), x), hn::Set(lanes_u(), magnitude_mask));
}

// As signed numbers: the magnitude's top bit is clear.
HWY_INLINE auto finite_mask(vec x) {
  return hn::RebindMask(
      lanes(),
      hn::Lt(hn::BitCast(lanes_i(), magnitude_bits(x)),
             hn::Set(lanes_i(), static_cast<std::int32_t>(infinity_bits))));
}

HWY_INLINE vec usable_lanes(vec x) {
  return hn::IfThenElseZero(finite_mask(x), x);
}

HWY_INLINE vec expected_lanes(const float* previous, std::size_t i, vec gain) {
  return previous == nullptr
             ? hn::Zero(lanes())
             : hn::Mul(gain, usable_lanes(hn::LoadU(lanes(), previous + i)));
}

HWY_INLINE float total(vec sum) {
  return hn::GetLane(hn::SumOfLanes(lanes(), sum));
}

HWY_INLINE vec rounded_lanes(vec x) {
  const auto bits = hn::BitCast(lanes_u(), x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(lanes_u(), 1));
  const auto up = hn::Add(hn::Add(bits, hn::Set(lanes_u(), 0x7fff)), odd);
  return hn::BitCast(lanes(), hn::ShiftLeft<16>(hn::ShiftRight<16>(up)));
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_CODEC_ROW_LANES_INL

// Floats of sixteen bits: the one place that knows what their bits mean. SIMD
// kernels have the same in registers. Pure; any thread.
#pragma once

#include <bit>
#include <cstdint>

namespace lamina {

/// bfloat16 is the upper half of a float.
constexpr float float_of_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

/// The nearest bfloat16, ties to even; beyond the largest, infinity. A NaN
/// keeps the upper bits of its payload, and stays one.
constexpr std::uint16_t bfloat16_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    const std::uint32_t quiet = (bits & 0x7f0000u) == 0 ? 0x40u : 0u;
    return static_cast<std::uint16_t>(bits >> 16 | quiet);
  }
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/// IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Exact; a
/// NaN keeps its payload.
constexpr float float_of_float16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> 10 & 31u;
  const std::uint32_t fraction = bits & 1023u;
  if (exponent == 31)  // infinity or a NaN
    return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0)
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

/// The nearest float16, ties to even; a finite number stays finite: beyond the
/// largest, 65504. A NaN as above.
constexpr std::uint16_t float16_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) {
    const bool lost = magnitude > 0x7f800000u && (magnitude & 0x7fe000u) == 0;
    return static_cast<std::uint16_t>(sign | 0x7c00u | (lost ? 0x200u : 0u) |
                                      (magnitude >> 13 & 0x3ffu));
  }
  if (magnitude >= 0x477ff000u)
    return static_cast<std::uint16_t>(sign | 0x7bffu);
  if (magnitude < 0x38800000u) {  // below 2^-14: a multiple of 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(
        sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t rebased = magnitude - (112u << 23);
  return static_cast<std::uint16_t>(
      sign | (rebased + 0xfffu + (rebased >> 13 & 1u)) >> 13);
}

}  // namespace lamina

// Layer headers and sizes within a row's stream: what its encoder and decoder
// must agree on. Plain values.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "actors/codec/bit_planes.hpp"
#include "protocol/site.hpp"

namespace lamina {

inline constexpr std::size_t lossy_header_bytes = 3;
inline constexpr std::size_t lossless_header_bytes = 2;

/// Gains are 0, 1/32 .. 63/32.
inline constexpr float gain_unit = 0x1p-5f;
inline constexpr std::uint32_t gain_codes = 64;

/// Steps are floats with five fraction bits between 2^-63 and 2^65: seven bits
/// of exponent and five of fraction.
inline constexpr std::uint32_t step_codes = 4096;
inline constexpr unsigned step_shift = 18;
inline constexpr std::uint32_t step_first = (127 - 63) << 5;

constexpr float step_of(std::uint32_t code) {
  return std::bit_cast<float>((code + step_first) << step_shift);
}

/// References below this are not used: what they expect would be denormal.
inline constexpr std::uint32_t reference_first = 64;

/// Low bits of a lossless number: where they begin, how many go into planes;
/// of float32 another 16 lie below.
struct low_layout {
  std::uint32_t shift;
  std::uint32_t bits;
};
constexpr low_layout low_layout_of(dtype element) {
  return element == dtype::float16 ? low_layout{13, 8} : low_layout{16, 5};
}

/// Bytes of low bits that one layer has in a lossless stream.
constexpr std::size_t lossless_low_bytes(dtype element, std::size_t width) {
  return plane_bytes(width) * low_layout_of(element).bits +
         (element == dtype::float32 ? 2 * width : 0);
}

}  // namespace lamina

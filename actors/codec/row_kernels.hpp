// The loops over a row's channels: measuring, predicting, quantising, and the
// way back. Pure functions, vectorised with Highway's run-time dispatch.
//
// What a decoder computes is part of the format: single products and sums in
// IEEE 754 float32, in the order stated, never fused (CMakeLists.txt compiles
// without contraction), so every target gets the same bits. What only an
// encoder computes may differ in the last digits between targets.
//
// `previous` is the same row one layer below, as the decoder has it; null for
// a key layer, which is expected to be zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/site.hpp"

namespace lamina {

/// Bytes that must be readable beyond bit planes.
inline constexpr std::size_t planes_slack_bytes = 8;

constexpr std::size_t plane_bytes(std::size_t count) {
  return (count + 7) / 8;
}

/// Widens a row of any dtype exactly; NaNs keep their bits.
void widen_exact(const std::byte* row, dtype element, std::span<float> out);

/// Narrows a row: to nearest, ties to even, so that what lies half a step
/// beyond the dtype's largest number becomes infinite; exactly where the
/// numbers came from that dtype.
void narrow(std::span<const float> values, dtype element, std::byte* out);

/// out[i] = x[i] - mean[i], and the way back: out[i] = x[i] + mean[i].
void subtract_mean(std::span<const float> x, std::span<const float> mean,
                   float* out);
void add_mean(std::span<const float> x, std::span<const float> mean,
              float* out);

/// Sums over a row, numbers that are not finite left out; the last two only
/// over channels with |previous| <= limit.
struct row_sums {
  float magnitudes = 0;        // |x|
  float squares = 0;           // x^2
  float products = 0;          // x * previous
  float previous_squares = 0;  // previous^2
  bool finite = true;          // every x is
};
row_sums sum_row(std::span<const float> x, const float* previous, float limit);

/// Sum of |x - gain * previous|, numbers that are not finite left out.
float sum_residual(std::span<const float> x, const float* previous, float gain);

/// Sum of x^2 and count of the channels with |x| <= limit.
struct limited_squares {
  float squares = 0;
  float count = 0;
};
limited_squares sum_squares_below(std::span<const float> x, float limit);

/// Sums of squared errors of `decoded`, rounded to `element` first, against x:
/// of the channels with |x| <= limit, and of the others.
struct error_sums {
  float ordinary = 0;
  float largest = 0;
};
error_sums sum_errors(std::span<const float> x, const float* decoded,
                      dtype element, float limit);

// --- lossy -----------------------------------------------------------------

/// One layer of a lossy row: x = gain * previous + step * q.
struct lossy_step {
  float step = 0;
  float gain = 0;
};

/// q = (x - gain * previous) / step, its magnitude rounded up from a fraction
/// of 1 - rounding on. Fills q and what the decoder will have; the sum of |q|.
float quantise(std::span<const float> x, const float* previous,
               const lossy_step& s, float rounding, std::int32_t* q,
               float* decoded);

/// Splits q into symbols and the bits below them. entries[i]: what the table
/// `encode` has for the symbol, or for the escape (0) where that has no slots;
/// low[i] is set when low_bits > 0. The number of escapes.
std::size_t split_residuals(std::span<const std::int32_t> q,
                            std::uint32_t low_bits, const std::uint32_t* encode,
                            std::uint32_t* entries, std::uint8_t* low);

/// What `quantise` left in `decoded`, but for escapes.
void join_residuals(std::span<const std::uint8_t> symbols,
                    const std::uint8_t* low, std::uint32_t low_bits,
                    const float* previous, const lossy_step& s, float* decoded);

/// gain * previous + step * q of one channel, rounded as above.
float reconstruct(float previous, const lossy_step& s, std::int32_t q);

// --- lossless --------------------------------------------------------------

/// One layer of a lossless row.
struct magnitude_step {
  std::uint32_t reference = 0;  // magnitude index of the expected deviation
  float gain = 0;               // gain * previous is expected
  std::uint32_t low_shift = 0;  // bits of the float below `low`
  std::uint32_t low_bits = 0;   // bits in `low`; with the shift at most 21
};

/// tables[i]: the table of `magnitude_symbols` that channel i is coded with.
void choose_tables(const float* previous, std::size_t count,
                   const magnitude_step& s, std::uint16_t* tables);

/// entries[i]: what table tables[i] of the set `encode` has for the symbol, or
/// for the escape; low[i]: the bits below. The number of escapes.
std::size_t split_magnitudes(std::span<const float> x, const float* previous,
                             const magnitude_step& s,
                             const std::uint16_t* tables,
                             const std::uint32_t* encode,
                             std::uint32_t* entries, std::uint8_t* low);

/// The numbers with sign, exponent and two fraction bits of the symbols, `low`
/// below them, and zeros below that; escapes come out wrong.
void join_magnitudes(std::span<const std::uint8_t> symbols,
                     const std::uint8_t* low, const float* previous,
                     const magnitude_step& s, float* decoded);

// --- bits below the symbols ------------------------------------------------

/// Plane b holds bit b of every number, channel i at bit i mod 8 of byte i / 8.
void pack_planes(std::span<const std::uint8_t> low, std::uint32_t bits,
                 std::byte* planes);
void unpack_planes(const std::byte* planes, std::uint32_t bits,
                   std::span<std::uint8_t> low);

}  // namespace lamina

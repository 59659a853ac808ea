// A row of numbers: widened and narrowed, without its mean, and what is
// measured of it.
//
// Pure functions, vectorised with Highway's run-time dispatch. What a decoder
// computes is part of the format: single products and sums in IEEE 754 float32,
// in the order stated, never fused (CMakeLists.txt compiles without
// contraction), so every target gets the same bits. What only an encoder
// computes may differ in the last digits between targets.
//
// `previous` is the same row one layer below, as the decoder has it; null for
// a key layer, which is expected to be zero.
#pragma once

#include <cstddef>
#include <span>

#include "protocol/site.hpp"

namespace lamina {

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

}  // namespace lamina

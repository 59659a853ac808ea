// Lossy rows: what is left of each channel when the layer below and a gain
// have said what to expect, in whole steps, and as symbols and low bits.
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
#include <cstdint>
#include <span>

namespace lamina {

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

}  // namespace lamina

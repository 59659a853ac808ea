// Lossless rows: sign, exponent and two fraction bits of each channel as a
// symbol, in the light of what the layer below leads to expect, and the bits
// below as they are.
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

}  // namespace lamina

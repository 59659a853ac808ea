// The probabilities that rows are entropy coded with. They are part of the
// format (docs/storage-format.md): made once per process from one formula, the
// same bits on every machine, and immutable, so any thread may read them.
//
// Every table is a Student t distribution with ten degrees of freedom, cut
// into the bins of what is coded. Its distribution function is algebraic: sums,
// products, quotients and square roots only, which IEEE 754 defines exactly,
// where exp or erf differ from one C library to the next.
//
// All tables have 2^11 slots. A symbol too improbable for a slot is coded as
// the table's escape, and its value goes elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lamina {

inline constexpr unsigned probability_bits = 11;
inline constexpr std::uint32_t probability_slots = 1u << probability_bits;

/// A set of tables with symbols 0 .. stride-1 each.
struct symbol_tables {
  std::uint32_t stride = 0;
  std::uint32_t escape = 0;  // the symbol that says "elsewhere"
  /// [table][symbol]: first slot << 12 | slots; slots 0: use the escape.
  std::vector<std::uint32_t> encode;
  /// [table][slot]: symbol << 24 | slots << 12 | slot - first slot.
  std::vector<std::uint32_t> decode;
};

// Lossy: a quantised residual q. Table t has scale 2^(t/4 - 4) steps. Scales
// above 4 steps code q's upper bits with a table of 2 to 4 and leave the rest
// as they are.
inline constexpr std::uint32_t residual_tables = 25;
inline constexpr std::uint32_t residual_scales = 57;
inline constexpr std::int32_t residual_zero = 32;  // the symbol of q = 0

/// How residuals of scale `index` (0 .. residual_scales-1) are coded.
struct residual_scale {
  std::uint32_t table;
  std::uint32_t low_bits;  // of q, which are not entropy coded
};
constexpr residual_scale scale_of(std::uint32_t index) {
  if (index < residual_tables) return {index, 0};
  const std::uint32_t low = (index - residual_tables + 4) / 4;
  return {index - 4 * low, low};
}

/// Symbols m + 32 for -31 <= m <= 31; 0 is the escape.
const symbol_tables& residual_symbols();

/// The scale whose residuals have this mean magnitude, in steps.
std::uint32_t scale_for(float mean_magnitude);

// Lossless: sign, exponent and two fraction bits of a float32, given the
// expected value. A magnitude index is (bits of the float & 0x7fffffff) >> 21:
// four per octave. Symbols and contexts count from a reference index, that of
// the expected deviation, and depend on it modulo 4 only.
inline constexpr std::int32_t magnitude_first = -36;  // symbol 0
inline constexpr std::int32_t magnitudes = 64;
inline constexpr std::int32_t context_first = -4;  // and all below: expect 0
inline constexpr std::int32_t contexts = 29;

/// Table (reference mod 4) * contexts + (index of the expected value -
/// reference, clamped) - context_first. Symbol: index - reference -
/// magnitude_first, plus 64 when the signs differ; 128 is the escape.
const symbol_tables& magnitude_symbols();

}  // namespace lamina

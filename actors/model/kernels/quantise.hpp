// Weights as whole numbers of eight bits, a scale for each row (output):
// w is about q * scale, with scale = max |w| / 127 and q = w / scale rounded
// to nearest, ties to even. Symmetric: zero stays zero.
//
// One scale a row, because it then multiplies the sum and not each product:
// the numbers in a row are exact in bfloat16 and in float32, so every path of
// `linear` multiplies the same weights. A scale for each 64 columns leaves 0.60
// % of error where one a row leaves 0.60 to 0.70 (docs/models.md).
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "actors/model/kernels/matrix.hpp"

namespace lamina {

/// Sums over weights, for relative errors.
struct quantisation_error {
  double squares = 0;  // of the weights
  double lost = 0;     // squares of what rounding took

  /// Root mean square of what was lost, against that of the weights.
  double relative() const;
  void add(const quantisation_error& other) {
    squares += other.squares;
    lost += other.lost;
  }
};

/// Room for the scales of so many rows, padded.
constexpr std::size_t padded_rows(std::size_t rows) {
  return (rows + block_rows - 1) / block_rows * block_rows;
}

/// Up to sixteen rows, as a block of a matrix.
/// rows: [count][columns]; to: [columns][16]; scales: [16].
void quantise_block(std::span<const float> rows, std::size_t columns,
                    std::int8_t* to, float* scales, quantisation_error& error);

/// One row; the result is its scale. to: [weights]. Beside an element that is
/// no finite number all become zero and `squares` no finite number.
float quantise_row(std::span<const float> weights, std::int8_t* to,
                   quantisation_error& error);

}  // namespace lamina

// The matrix product on a CPU with bfloat16 dot products (AVX512_BF16) and no
// tile unit: two products a lane and instruction, of weights as they are
// stored.
//
// Products are exact, sums float32, in an order that depends on the columns
// only: a row gives the same bits alone and in a batch. Numbers too small to be
// normal count as zero, as in tiles. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/model/kernels/matrix.hpp"

namespace lamina {

/// The CPU has these dot products. Asked once.
bool dots_available();

/// They are faster than SIMD. Intel's cores take them at half the rate: where
/// there are no tiles, two of them gave 150 GFLOP/s, and SIMD 200.
bool dots_pay();

/// bfloat16 on both sides; any shape.
bool dots_fit(const matrix& weight);

/// Rows of x rounded to bfloat16, each aligned and padded with zeros to whole
/// registers.
struct dot_rows {
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::size_t stride = 0;             // elements
  std::vector<std::uint16_t> memory;  // grown and kept
  std::uint16_t* begin = nullptr;     // into memory
  const std::uint16_t* row(std::size_t r) const { return begin + r * stride; }
};

/// x: [rows][columns]. Needs the instructions.
void pack_rows(dot_rows& to, const float* x, std::uint32_t rows,
               std::uint32_t columns);

/// Bytes that a packed row of so many columns takes.
std::size_t dot_row_bytes(std::uint32_t columns);

/// Outputs `first` .. `last` - 1 of out [x.rows][weight.rows]. Needs the
/// instructions, and weights that fit.
void dot_outputs(const dot_rows& x, const matrix& weight, std::uint32_t first,
                 std::uint32_t last, float* out);

}  // namespace lamina

// The product with weights of eight bits, in SIMD registers: a register holds a
// column of sixteen outputs, so that the weights are read from end to end, each
// once for a few rows of x. Any instruction set, shape and input.
//
// Arithmetic is float32, and sums are taken as a tile unit takes them (Intel
// SDM, TDPBF16PS): of every 32 columns the even and the odd ones apart, each
// multiplied and added in one rounding, then both together to the sum. So with
// inputs of bfloat16 a row has the same bits here and in int8_tiles, alone and
// in a batch; but for sums too small to be normal numbers, which tiles call
// zero. Stateless; any thread.
#pragma once

#include <cstdint>

#include "actors/model/kernels/matrix.hpp"

namespace lamina {

/// Blocks `first` .. `last` - 1 of out [rows][weight.rows].
/// x: [rows][weight.columns], rounded as weight.input says.
void int8_rows(const float* x, std::uint32_t rows, const matrix& weight,
               std::uint32_t first, std::uint32_t last, float* out);

}  // namespace lamina

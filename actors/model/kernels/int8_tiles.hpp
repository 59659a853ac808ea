// The product of rows of bfloat16 with weights of eight bits on a CPU's tile
// unit (Intel AMX), for more rows than SIMD is good for.
//
// x is the left operand, 16 rows by 32 columns a tile; weights are the right
// one, 16 outputs a tile, widened to bfloat16, which holds them exactly, into a
// small buffer on the way. A row has the bits that int8_rows gives it.
// Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/model/kernels/matrix.hpp"
#include "actors/model/kernels/tiles.hpp"

namespace lamina {

/// Eight bits, inputs of bfloat16, whole tiles of columns.
bool int8_tiles_fit(const matrix& weight);

/// One row after the other.
struct bfloat16_rows : packed_rows {
  /// Elements from a row to the next: an odd number of cache lines, so that
  /// rows do not fall into the same sets.
  std::size_t stride() const { return std::size_t{columns / 32 | 1} * 32; }
  std::size_t group_size() const { return stride() * group; }
  std::uint16_t* row(std::size_t r) { return memory[0].of + r * stride(); }
  const std::uint16_t* row(std::size_t r) const {
    return memory[0].of + r * stride();
  }
};

/// Packs one group of 16 rows; groups may be packed at once.
void pack_group(bfloat16_rows& to, const float* x, std::uint32_t group);

/// These groups of rows and these blocks of out [x.rows][weight.rows].
void int8_tiles(const bfloat16_rows& x, half_open groups, const matrix& weight,
                half_open blocks, float* out);

}  // namespace lamina

// The bfloat16 matrix product on a CPU's tile unit (Intel AMX): bound by
// memory for few rows, by arithmetic for many, with the weights as they are
// stored.
//
// Weights are the left operand, 16 outputs by 32 columns a tile, straight from
// their rows; x is the right one, packed once for all outputs. Products are
// exact, sums float32, in an order that depends on the columns only: a row
// gives the same bits alone and in a batch. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "actors/model/kernels/matrix.hpp"

namespace lamina {

/// The CPU has tiles, and the kernel lets this process use them. Asked once.
bool tiles_available();

/// bfloat16 on both sides, whole tiles of columns, and at least one of outputs.
bool tiles_fit(const matrix& weight);

/// A cache line of x: a tile whose rows cross lines loads six times slower.
struct alignas(64) packed_line {
  std::uint16_t of[32];
};

/// Rows of x rounded to bfloat16 in whole groups, the last padded with zero.
struct packed_rows {
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::vector<packed_line> memory;  // grown and kept

  static constexpr std::uint32_t group = 16;  // rows

  std::uint32_t groups() const { return (rows + group - 1) / group; }
};

/// Makes room for x [rows][columns].
template <class Packed>
void reserve(Packed& x, std::uint32_t rows, std::uint32_t columns) {
  x.rows = rows;
  x.columns = columns;
  x.memory.resize(x.groups() * x.group_size() / std::size(packed_line{}.of));
}

/// In the order in which tiles read them:
/// [rows / 16][columns / 32][16 pairs of columns][16 rows][2].
struct tile_rows : packed_rows {
  std::size_t group_size() const { return std::size_t{columns} * group; }
  std::uint16_t* packed() { return memory.data()->of; }
  const std::uint16_t* packed() const { return memory.data()->of; }
};

/// Packs one group of 16 rows; groups may be packed at once.
void pack_group(tile_rows& to, const float* x, std::uint32_t group);

struct half_open {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

/// These groups of rows and these outputs of out [x.rows][weight.rows].
void tile_outputs(const tile_rows& x, half_open groups, const matrix& weight,
                  half_open outputs, float* out);

}  // namespace lamina

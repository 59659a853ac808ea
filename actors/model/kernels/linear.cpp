#include "actors/model/kernels/linear.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <vector>

#include "actors/model/kernels/dots.hpp"
#include "actors/model/kernels/gemm.hpp"
#include "actors/model/kernels/int8_rows.hpp"
#include "actors/model/kernels/int8_tiles.hpp"
#include "actors/model/kernels/rows.hpp"
#include "actors/model/kernels/simd.hpp"
#include "actors/model/kernels/tiles.hpp"

namespace lamina {
namespace {

// Products below which a worker costs more to call than it saves.
constexpr std::uint64_t parallel_products_min = 50'000;

// Outputs that one thread takes at a time. Tiles want more: each time they are
// set up anew. A power of two, whole blocks of the kernels.
constexpr std::uint32_t simd_unit = 32;
constexpr std::uint32_t int8_unit = 64;
constexpr std::uint32_t tile_unit = 128;

// Rows for which SIMD multiplies weights of eight bits faster than tiles: from
// memory 13 and 10 thousand million a second and core, against 10 with tiles.
constexpr std::uint32_t int8_simd_rows_max = 2;

// What one pass over the weights may take of packed x: it has to stay in the
// second-level cache beside the weights.
constexpr std::size_t packed_bytes_max = std::size_t{1} << 20;

// Rows that make a pass over the weights worth its reading from memory.
constexpr std::size_t simd_slice_min = 64;

std::uint32_t units_of(const matrix& weight, std::uint32_t unit) {
  return (weight.rows + unit - 1) / unit;
}

// All outputs of all projections in one region, `unit` at a time.
// body(projection, first, last)
template <class Body>
void for_each_output(std::span<const projection> projections,
                     std::uint32_t rows, std::uint32_t unit, Body body) {
  std::uint64_t products = 0;
  std::uint32_t units = 0;
  for (const projection& p : projections) {
    products += std::uint64_t{p.weight.rows} * p.weight.columns * rows;
    units += units_of(p.weight, unit);
  }
  for_each_unit(units, products >= parallel_products_min,
                [&](std::uint32_t index) {
                  const projection* p = projections.data();
                  for (; index >= units_of(p->weight, unit); ++p)
                    index -= units_of(p->weight, unit);
                  const std::uint32_t first = index * unit;
                  body(*p, first, std::min(first + unit, p->weight.rows));
                });
}

void by_simd(const float* x, std::uint32_t rows,
             std::span<const projection> projections) {
  thread_local simd_rows packed;
  const matrix& weight = projections.front().weight;
  const auto slice = static_cast<std::uint32_t>(std::max<std::size_t>(
      packed_bytes_max / (weight.columns * sizeof(float)), simd_slice_min));
  for (std::uint32_t r = 0; r < rows; r += slice) {
    const std::uint32_t count = std::min(slice, rows - r);
    pack_rows(packed, x + std::size_t{r} * weight.columns, count,
              weight.columns, weight.element);
    const simd_rows& shared = packed;  // workers have a `packed` of their own
    for_each_output(
        projections, count, simd_unit,
        [&](const projection& p, std::uint32_t first, std::uint32_t last) {
          simd_outputs(shared, p.weight, first, last,
                       p.out + std::size_t{r} * p.weight.rows);
        });
  }
}

void by_tiles(const float* x, std::uint32_t rows,
              std::span<const projection> projections) {
  assert(tiles_available());  // which also asks the kernel for them
  thread_local tile_rows packed;
  tile_rows& shared = packed;
  const std::uint32_t columns = projections.front().weight.columns;
  reserve(shared, rows, columns);
  for_each_unit(shared.groups(), rows > tile_rows::group,
                [&](std::uint32_t group) { pack_group(shared, x, group); });
  const auto slice = static_cast<std::uint32_t>(std::max<std::size_t>(
      packed_bytes_max / (shared.group_size() * sizeof(std::uint16_t)), 2));
  for (std::uint32_t g = 0; g < shared.groups(); g += slice) {
    const std::uint32_t end = std::min(g + slice, shared.groups());
    for_each_output(
        projections, rows, tile_unit,
        [&](const projection& p, std::uint32_t first, std::uint32_t last) {
          tile_outputs(shared, {g, end}, p.weight, {first, last}, p.out);
        });
  }
}

// Blocks that outputs `first` .. `last` - 1 lie in; `first` begins one.
half_open blocks_of(std::uint32_t first, std::uint32_t last) {
  return {first / block_rows, (last + block_rows - 1) / block_rows};
}

void int8_by_simd(const float* x, std::uint32_t rows,
                  std::span<const projection> projections) {
  for_each_output(
      projections, rows, int8_unit,
      [&](const projection& p, std::uint32_t first, std::uint32_t last) {
        const half_open blocks = blocks_of(first, last);
        int8_rows(x, rows, p.weight, blocks.first, blocks.last, p.out);
      });
}

void int8_by_tiles(const float* x, std::uint32_t rows,
                   std::span<const projection> projections) {
  assert(tiles_available());
  thread_local bfloat16_rows packed;
  bfloat16_rows& shared = packed;
  reserve(shared, rows, projections.front().weight.columns);
  for_each_unit(shared.groups(), rows > bfloat16_rows::group,
                [&](std::uint32_t group) { pack_group(shared, x, group); });
  const auto slice = static_cast<std::uint32_t>(std::max<std::size_t>(
      packed_bytes_max / (shared.group_size() * sizeof(std::uint16_t)), 2));
  for (std::uint32_t g = 0; g < shared.groups(); g += slice) {
    const half_open groups{g, std::min(g + slice, shared.groups())};
    for_each_output(
        projections, rows, tile_unit,
        [&](const projection& p, std::uint32_t first, std::uint32_t last) {
          int8_tiles(shared, groups, p.weight, blocks_of(first, last), p.out);
        });
  }
}

bool is_int8(std::span<const projection> projections) {
  return projections.front().weight.element == weight_type::int8;
}

void by_dots(const float* x, std::uint32_t rows,
             std::span<const projection> projections) {
  assert(dots_available());
  thread_local dot_rows packed;
  const std::uint32_t columns = projections.front().weight.columns;
  const auto slice = static_cast<std::uint32_t>(
      std::max<std::size_t>(packed_bytes_max / dot_row_bytes(columns), 1));
  for (std::uint32_t r = 0; r < rows; r += slice) {
    const std::uint32_t count = std::min(slice, rows - r);
    pack_rows(packed, x + std::size_t{r} * columns, count, columns);
    const dot_rows& shared = packed;  // workers have a `packed` of their own
    for_each_output(
        projections, count, simd_unit,
        [&](const projection& p, std::uint32_t first, std::uint32_t last) {
          dot_outputs(shared, p.weight, first, last,
                      p.out + std::size_t{r} * p.weight.rows);
        });
  }
}

void by_gemm(const float* x, std::uint32_t rows,
             std::span<const projection> projections) {
  for (const projection& p : projections)
    gemm(x, rows, p.weight, p.out);
}

// x as the weights want it.
const float* rounded(const float* x, std::size_t count, dtype input) {
  if (input == dtype::float32) return x;
  thread_local std::vector<float> copy;
  copy.assign(x, x + count);
  round_to(input, copy.data(), count);
  return copy.data();
}

}  // namespace

matmul choose_matmul(std::uint32_t rows,
                     std::span<const projection> projections) {
  const auto all = [&](bool (*fit)(const matrix&)) {
    return std::all_of(projections.begin(), projections.end(),
                       [&](const projection& p) { return fit(p.weight); });
  };
  if (tiles_available() && all(tiles_fit)) return matmul::tiles;
  if (tiles_available() && all(int8_tiles_fit))
    return rows <= int8_simd_rows_max ? matmul::simd : matmul::tiles;
  if (dots_pay() && !tiles_available() && all(dots_fit)) return matmul::dots;
  return rows <= simd_rows_max(projections.front().weight.element)
             ? matmul::simd
             : matmul::gemm;
}

void linear_by(matmul path, const float* x, std::uint32_t rows,
               std::span<const projection> projections) {
  const matrix& first = projections.front().weight;
  const std::size_t count = std::size_t{rows} * first.columns;
  switch (path) {
    case matmul::tiles:
      return is_int8(projections) ? int8_by_tiles(x, rows, projections)
                                  : by_tiles(x, rows, projections);
    case matmul::dots:
      return by_dots(x, rows, projections);
    case matmul::simd:
      x = rounded(x, count, first.input);
      return is_int8(projections) ? int8_by_simd(x, rows, projections)
                                  : by_simd(x, rows, projections);
    case matmul::gemm:
      return by_gemm(rounded(x, count, first.input), rows, projections);
  }
}

void linear(const float* x, std::uint32_t rows,
            std::span<const projection> projections) {
  if (rows == 0) return;
  linear_by(choose_matmul(rows, projections), x, rows, projections);
}

std::string matmul_path() {
  const std::uint32_t most = simd_rows_max(weight_type::float32);
  std::string simd = std::string("SIMD ") + simd_target();
  if (most != std::numeric_limits<std::uint32_t>::max())
    simd += " up to " + std::to_string(most) + " rows, then libtorch sgemm";
  if (tiles_available()) return "bfloat16: AMX tiles; float32: " + simd;
  if (dots_pay()) return "bfloat16: AVX512_BF16 dot products; float32: " + simd;
  return simd;
}

}  // namespace lamina

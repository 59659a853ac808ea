#include "actors/model/kernels/int8_tiles.hpp"

#include <algorithm>
#include <cassert>

#include "actors/model/kernels/tile_unit.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t tile_columns = 32;

}  // namespace

bool int8_tiles_fit(const matrix& weight) {
  return weight.element == weight_type::int8 &&
         weight.input == dtype::bfloat16 && weight.columns % tile_columns == 0;
}

#if LAMINA_HAS_TILES

namespace {

constexpr std::size_t tile_bytes = 1024;

// Steps of columns that are widened together: small enough to be multiplied
// out of the first-level cache.
constexpr std::uint32_t widened_steps = 4;

struct alignas(64) widened_line {
  std::byte bytes[64];
};

// Room for the widened weights of two blocks. Grown and kept.
std::byte* widened_room(std::size_t bytes) {
  thread_local std::vector<widened_line> room;
  room.resize(std::max(room.size(), bytes / sizeof(widened_line)));
  return room.data()->bytes;
}

// 32 columns of a block as a tile: pairs of columns, side by side for each
// output. What lies `ahead` bytes on is fetched meanwhile.
LAMINA_TILE_TARGET inline void widen_tile(const std::int8_t* from,
                                          std::size_t ahead, std::byte* to) {
  const auto column = [from](std::uint32_t c) LAMINA_TILE_TARGET {
    return _mm512_castps_si512(
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(
            reinterpret_cast<const __m128i*>(from + c * block_rows)))));
  };
  for (std::uint32_t c = 0; c < tile_columns; c += 4) {
    if (ahead != 0)
      _mm_prefetch(reinterpret_cast<const char*>(from + c * block_rows + ahead),
                   _MM_HINT_T1);
    // The lower half of such a float is zero.
    for (std::uint32_t pair = c; pair < c + 4; pair += 2)
      _mm512_store_si512(to + pair * 32,
                         _mm512_or_si512(_mm512_srli_epi32(column(pair), 16),
                                         column(pair + 1)));
  }
}

// Sums: tile 0 and 1 of the first group of rows with either block, 2 and 3 of
// the second.
template <int Blocks, int Groups>
LAMINA_TILE_TARGET inline void clear_sums() {
  _tile_zero(0);
  if constexpr (Blocks == 2) _tile_zero(1);
  if constexpr (Groups == 2) {
    _tile_zero(2);
    if constexpr (Blocks == 2) _tile_zero(3);
  }
}

// weights: [steps][Blocks] tiles.
template <int Blocks, int Groups>
LAMINA_TILE_TARGET inline void add_columns(const bfloat16_rows& x,
                                           const std::uint16_t* left,
                                           const std::byte* weights,
                                           std::uint32_t steps) {
  const std::size_t stride = x.stride() * sizeof(std::uint16_t);
  for (std::uint32_t k = 0; k < steps; ++k) {
    _tile_loadd(4, left, stride);
    _tile_loadd(6, weights, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (Blocks == 2) {
      _tile_loadd(7, weights + tile_bytes, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (Groups == 2) {
      _tile_loadd(5, left + x.group_size(), stride);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (Blocks == 2) _tile_dpbf16ps(3, 5, 7);
    }
    left += tile_columns;
    weights += Blocks * tile_bytes;
  }
}

// sums: [16 rows of x][16 outputs], as a tile was stored. out: row `row`.
LAMINA_TILE_TARGET void write_tile(const float* sums, std::uint32_t rows,
                                   const matrix& w, std::uint32_t block,
                                   float* out) {
  const std::uint32_t o = block * block_rows;
  const std::uint32_t count = std::min(w.rows - o, block_rows);
  const auto wanted = static_cast<__mmask16>((1u << count) - 1);
  const __m512 scales = _mm512_loadu_ps(w.scales + o);
  for (std::uint32_t r = 0; r < rows; ++r)
    _mm512_mask_storeu_ps(out + std::size_t{r} * w.rows + o, wanted,
                          _mm512_mul_ps(_mm512_load_ps(sums + r * 16), scales));
}

template <int Blocks, int Groups>
LAMINA_TILE_TARGET inline void write_sums(const bfloat16_rows& x,
                                          std::uint32_t group, const matrix& w,
                                          std::uint32_t block, float* out) {
  alignas(64) float sums[16 * 16];
  const auto write = [&](std::uint32_t g, std::uint32_t b) LAMINA_TILE_TARGET {
    const std::uint32_t row = (group + g) * bfloat16_rows::group;
    write_tile(sums, std::min(x.rows - row, bfloat16_rows::group), w, block + b,
               out + row * std::size_t{w.rows});
  };
  _tile_stored(0, sums, 64);
  write(0, 0);
  if constexpr (Blocks == 2) {
    _tile_stored(1, sums, 64);
    write(0, 1);
  }
  if constexpr (Groups == 2) {
    _tile_stored(2, sums, 64);
    write(1, 0);
    if constexpr (Blocks == 2) {
      _tile_stored(3, sums, 64);
      write(1, 1);
    }
  }
}

// `Blocks` blocks from `block` on for some groups: weights are widened where
// they are first used, a few columns before these are multiplied, and stay for
// the groups that follow.
template <int Blocks>
class block_product {
 public:
  LAMINA_TILE_TARGET block_product(const bfloat16_rows& x, const matrix& w,
                                   std::uint32_t block, bool kept, float* out)
      : x_(x),
        w_(w),
        block_(block),
        kept_(kept),
        steps_(w.columns / tile_columns),
        room_(widened_room((kept ? steps_ : widened_steps) * Blocks *
                           tile_bytes)),
        out_(out) {}

  template <int Groups>
  LAMINA_TILE_TARGET void first(std::uint32_t group) const {
    const std::size_t block_bytes = std::size_t{w_.columns} * block_rows;
    const bool more = block_ + 2 * Blocks <= w_.blocks();
    const std::size_t ahead = more ? Blocks * block_bytes : 0;
    clear_sums<Blocks, Groups>();
    for (std::uint32_t k = 0; k < steps_; k += widened_steps) {
      const std::uint32_t count = std::min(widened_steps, steps_ - k);
      std::byte* to = room_ + (kept_ ? k * Blocks * tile_bytes : 0);
      for (std::uint32_t i = 0; i < count; ++i)
        for (int b = 0; b < Blocks; ++b)
          widen_tile(w_.block(block_ + b) + (k + i) * tile_columns * block_rows,
                     ahead, to + (i * Blocks + b) * tile_bytes);
      add_columns<Blocks, Groups>(x_, at(group) + k * tile_columns, to, count);
    }
    write_sums<Blocks, Groups>(x_, group, w_, block_, out_);
  }

  template <int Groups>
  LAMINA_TILE_TARGET void next(std::uint32_t group) const {
    clear_sums<Blocks, Groups>();
    add_columns<Blocks, Groups>(x_, at(group), room_, steps_);
    write_sums<Blocks, Groups>(x_, group, w_, block_, out_);
  }

 private:
  const std::uint16_t* at(std::uint32_t group) const {
    return x_.row(group * bfloat16_rows::group);
  }

  const bfloat16_rows& x_;
  const matrix& w_;
  std::uint32_t block_;
  bool kept_;
  std::uint32_t steps_;
  std::byte* room_;
  float* out_;
};

template <int Blocks>
LAMINA_TILE_TARGET void all_groups(const bfloat16_rows& x, half_open groups,
                                   const matrix& w, std::uint32_t block,
                                   float* out) {
  std::uint32_t g = groups.first;
  const block_product<Blocks> product(x, w, block, groups.last - g > 2, out);
  if (g + 2 > groups.last) return product.template first<1>(g);
  product.template first<2>(g);
  for (g += 2; g + 2 <= groups.last; g += 2)
    product.template next<2>(g);
  if (g < groups.last) product.template next<1>(g);
}

}  // namespace

LAMINA_TILE_TARGET void pack_group(bfloat16_rows& to, const float* x,
                                   std::uint32_t group) {
  const std::uint32_t first = group * bfloat16_rows::group;
  for (std::uint32_t r = first; r < first + bfloat16_rows::group; ++r) {
    std::uint16_t* row = to.row(r);
    if (r >= to.rows) {
      std::fill_n(row, to.columns, std::uint16_t{0});
      continue;
    }
    const float* from = x + std::size_t{r} * to.columns;
    for (std::uint32_t c = 0; c < to.columns; c += tile_columns)
      _mm512_storeu_si512(
          row + c,
          reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(
              _mm512_loadu_ps(from + c + 16), _mm512_loadu_ps(from + c))));
  }
}

LAMINA_TILE_TARGET void int8_tiles(const bfloat16_rows& x, half_open groups,
                                   const matrix& weight, half_open blocks,
                                   float* out) {
  assert(int8_tiles_fit(weight) && x.columns == weight.columns);
  const tile_scope tiles;
  std::uint32_t b = blocks.first;
  for (; b + 2 <= blocks.last; b += 2)
    all_groups<2>(x, groups, weight, b, out);
  if (b < blocks.last) all_groups<1>(x, groups, weight, b, out);
}

#else

void pack_group(bfloat16_rows&, const float*, std::uint32_t) {}

void int8_tiles(const bfloat16_rows&, half_open, const matrix&, half_open,
                float*) {}

#endif

}  // namespace lamina

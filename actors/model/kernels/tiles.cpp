#include "actors/model/kernels/tiles.hpp"

#include <algorithm>
#include <cassert>

#include "actors/model/kernels/tile_unit.hpp"

#if LAMINA_HAS_TILES
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lamina {
namespace {

constexpr std::uint32_t tile_outputs_count = 16;
constexpr std::uint32_t tile_columns = 32;

}  // namespace

bool tiles_fit(const matrix& weight) {
  return weight.element == weight_type::bfloat16 &&
         weight.input == dtype::bfloat16 &&
         weight.columns % tile_columns == 0 &&
         weight.rows >= tile_outputs_count;
}

#if LAMINA_HAS_TILES

namespace {

bool cpu_has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool amx = (d >> 22 & 1) && (d >> 24 & 1);  // bf16, tile
  const bool vectors = (b >> 16 & 1) && (b >> 30 & 1) && (b >> 31 & 1);
  if (!amx || !vectors) return false;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return false;
  return a >> 5 & 1;  // avx512_bf16
}

// Linux hands out the large tile state on request only (arch_prctl).
bool kernel_permits_tiles() {
  constexpr long request_permission = 0x1023;
  constexpr long tile_state = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_state) == 0;
}

// rows[i] lane j becomes rows[j] lane i.
LAMINA_TILE_TARGET inline void transpose(__m512i (&rows)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    rows[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    rows[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// Rows for which turning a tile around costs more than it saves.
constexpr std::uint32_t few = 3;

// sums: [16 outputs][16 rows of x], as a tile was stored. Writes the outputs
// from `skip` on; out is that of row 0 and the tile's first output.
LAMINA_TILE_TARGET void write_tile(const float* sums, std::uint32_t rows,
                                   std::uint32_t skip, float* out,
                                   std::size_t stride) {
  if (rows <= few) {
    for (std::uint32_t r = 0; r < rows; ++r)
      for (std::uint32_t o = skip; o < 16; ++o)
        out[r * stride + o] = sums[o * 16 + r];
    return;
  }
  __m512i lanes[16];
  for (int i = 0; i < 16; ++i)
    lanes[i] = _mm512_load_si512(sums + i * 16);
  transpose(lanes);
  const auto wanted = static_cast<__mmask16>(0xffffu << skip);
  for (std::uint32_t r = 0; r < rows; ++r)
    _mm512_mask_storeu_epi32(out + r * stride, wanted, lanes[r]);
}

// Outputs `o` .. `o` + 31 for `Groups` (1 or 2) groups of rows from `group` on.
// `ahead`: the weights that come after these, fetched meanwhile; null: none.
template <int Groups>
LAMINA_TILE_TARGET void block(const tile_rows& x, std::uint32_t group,
                              const matrix& w, std::uint32_t o,
                              const std::byte* ahead, float* out) {
  const std::size_t stride = w.row_bytes();
  const std::byte* left = w.row(o);
  const std::byte* right =
      reinterpret_cast<const std::byte*>(x.packed() + group * x.group_size());
  const std::size_t next_group = x.group_size() * sizeof(std::uint16_t);
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (Groups == 2) {
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::uint32_t steps = w.columns / tile_columns;
  for (std::uint32_t k = 0; k < steps; ++k) {
    _tile_loadd(4, left, stride);
    _tile_loadd(5, left + 16 * stride, stride);
    _tile_loadd(6, right, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 5, 6);
    if constexpr (Groups == 2) {
      _tile_loadd(7, right + next_group, 64);
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
    if (ahead != nullptr) {
      for (int line = 0; line < 8; ++line)
        for (std::uint32_t stream = 0; stream < 4; ++stream)
          _mm_prefetch(reinterpret_cast<const char*>(
                           ahead + stream * 8 * stride + line * 64),
                       _MM_HINT_T1);
      ahead += 8 * 64;
    }
    left += 64;
    right += 1024;
  }
  alignas(64) float sums[16 * 16];
  const std::uint32_t first = group * tile_rows::group;
  const auto write = [&](std::uint32_t in_group,
                         std::uint32_t from_output) LAMINA_TILE_TARGET {
    const std::uint32_t row = first + in_group * tile_rows::group;
    write_tile(sums, std::min(x.rows - row, tile_rows::group), 0,
               out + row * std::size_t{w.rows} + from_output, w.rows);
  };
  _tile_stored(0, sums, 64);
  write(0, o);
  _tile_stored(1, sums, 64);
  write(0, o + 16);
  if constexpr (Groups == 2) {
    _tile_stored(2, sums, 64);
    write(1, o);
    _tile_stored(3, sums, 64);
    write(1, o + 16);
  }
}

// The 16 outputs from `o` on, for one group of rows; of these, what comes
// before `from` is somebody else's.
LAMINA_TILE_TARGET void narrow_block(const tile_rows& x, std::uint32_t group,
                                     const matrix& w, std::uint32_t o,
                                     std::uint32_t from, float* out) {
  const std::byte* left = w.row(o);
  const std::byte* right =
      reinterpret_cast<const std::byte*>(x.packed() + group * x.group_size());
  _tile_zero(0);
  for (std::uint32_t k = 0; k < w.columns / tile_columns; ++k) {
    _tile_loadd(4, left + k * 64, w.row_bytes());
    _tile_loadd(6, right + k * std::size_t{1024}, 64);
    _tile_dpbf16ps(0, 4, 6);
  }
  alignas(64) float sums[16 * 16];
  _tile_stored(0, sums, 64);
  const std::uint32_t row = group * tile_rows::group;
  write_tile(sums, std::min(x.rows - row, tile_rows::group), from - o,
             out + row * std::size_t{w.rows} + o, w.rows);
}

}  // namespace

bool tiles_available() {
  static const bool available = cpu_has_tiles() && kernel_permits_tiles();
  return available;
}

LAMINA_TILE_TARGET void pack_group(tile_rows& to, const float* x,
                                   std::uint32_t group) {
  const std::uint32_t row = group * tile_rows::group;
  const std::uint32_t rows = std::min(to.rows - row, tile_rows::group);
  x += row * std::size_t{to.columns};
  std::uint16_t* out = to.packed() + group * to.group_size();
  for (std::uint32_t c = 0; c < to.columns; c += tile_columns) {
    __m512i pairs[16];
    for (std::uint32_t r = 0; r < 16; ++r) {
      if (r >= rows) {
        pairs[r] = _mm512_setzero_si512();
        continue;
      }
      const float* from = x + r * std::size_t{to.columns} + c;
      pairs[r] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(
          _mm512_loadu_ps(from + 16), _mm512_loadu_ps(from)));
    }
    transpose(pairs);
    for (const __m512i& lanes : pairs) {
      _mm512_storeu_si512(out, lanes);
      out += 32;
    }
  }
}

LAMINA_TILE_TARGET void tile_outputs(const tile_rows& x, half_open groups,
                                     const matrix& weight, half_open outputs,
                                     float* out) {
  assert(tiles_fit(weight) && x.columns == weight.columns);
  const tile_scope tiles;
  std::uint32_t o = outputs.first;
  for (; o + 32 <= outputs.last; o += 32) {
    const std::byte* ahead =
        o + 64 <= weight.rows ? weight.row(o + 32) : nullptr;
    std::uint32_t g = groups.first;
    for (; g + 2 <= groups.last; g += 2) {
      block<2>(x, g, weight, o, ahead, out);
      ahead = nullptr;
    }
    if (g < groups.last) block<1>(x, g, weight, o, ahead, out);
  }
  for (; o < outputs.last; o += 16) {
    const std::uint32_t at = std::min(o, weight.rows - 16);
    for (std::uint32_t g = groups.first; g < groups.last; ++g)
      narrow_block(x, g, weight, at, o, out);
  }
}

#else

bool tiles_available() {
  return false;
}

void pack_group(tile_rows&, const float*, std::uint32_t) {}

void tile_outputs(const tile_rows&, half_open, const matrix&, half_open,
                  float*) {}

#endif

}  // namespace lamina

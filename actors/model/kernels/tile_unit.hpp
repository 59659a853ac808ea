// What the kernels on a tile unit (Intel AMX) share. Internal to them: it
// brings in the compiler's intrinsics.
#pragma once

#if defined(__x86_64__)
#define LAMINA_HAS_TILES 1
// GCC 12 believes that its own intrinsics read uninitialised registers (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <cstdint>

// The rest of the program is built for any x86-64; functions with this are only
// called where the CPU has what they use.
#define LAMINA_TILE_TARGET                           \
  __attribute__((                                    \
      target("avx512f,avx512bw,avx512vl,avx512bf16," \
             "amx-tile,amx-bf16")))

namespace lamina {

struct alignas(64) tile_configuration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

/// Eight tiles of 16 rows of 64 bytes, for one scope. Released after it, so
/// that a switch of threads does not save 8 KiB for nothing.
class tile_scope {
 public:
  LAMINA_TILE_TARGET tile_scope() {
    tile_configuration c;
    for (int i = 0; i < 8; ++i) {
      c.row_bytes[i] = 64;
      c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
  }
  LAMINA_TILE_TARGET ~tile_scope() { _tile_release(); }
  tile_scope(const tile_scope&) = delete;
  tile_scope& operator=(const tile_scope&) = delete;
};

}  // namespace lamina

#endif

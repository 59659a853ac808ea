// A chunk of synthetic rows (residual_rows.hpp), for benchmarks of the
// libraries.
#pragma once

#include <cstring>
#include <memory>

#include "actors/chunks/raw_chunk.hpp"
#include "tests/bench/residual_rows.hpp"

namespace lamina::bench {

inline raw_chunk_ptr residual_like_chunk(capture_shape shape) {
  constexpr std::uint32_t seed = 7;
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  residual_walk walk(shape.slots(), shape.width, seed);
  for (std::uint32_t row = 0; row < chunk_positions; ++row)
    walk.position(
        row == 0, [&](std::uint32_t slot, std::span<const std::byte> from) {
          std::memcpy(chunk->row(slot, row).data(), from.data(), from.size());
        });
  return chunk;
}

}  // namespace lamina::bench

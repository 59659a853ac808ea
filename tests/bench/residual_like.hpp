// Synthetic rows for benchmarks: random walks over the layers, channels that
// differ in size (log-normal), a few outlier channels, and a first token with
// massive activations. For speed and for extremes; their bits say little about
// a trained model's.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"

namespace lamina::bench {

inline void store_bfloat16(float value, std::byte* at) {
  const auto bits = static_cast<std::uint16_t>(
      (std::bit_cast<std::uint32_t>(value) + 0x8000u) >> 16);
  std::memcpy(at, &bits, sizeof bits);
}

inline raw_chunk_ptr residual_like_chunk(capture_shape shape) {
  constexpr std::uint32_t seed = 7;
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> channel_scale(shape.width);
  for (std::size_t c = 0; c < channel_scale.size(); ++c)
    channel_scale[c] = std::exp(0.3f * normal(random)) * (c % 509 == 5 ? 8 : 1);
  for (std::uint32_t row = 0; row < chunk_positions; ++row) {
    std::vector<float> residual(shape.width);
    for (std::uint32_t slot = 0; slot < shape.slots(); ++slot) {
      std::byte* out = chunk->row(slot, row).data();
      for (std::uint32_t c = 0; c < shape.width; ++c) {
        residual[c] +=
            (slot == 0 ? 1.0f : 0.35f) * channel_scale[c] * normal(random);
        const bool massive = row == 0 && slot > 2 && c % 1021 == 5;
        store_bfloat16(residual[c] + (massive ? 1500.0f : 0.0f),
                       out + 2 * std::size_t{c});
      }
    }
  }
  return chunk;
}

}  // namespace lamina::bench

// Chunks that the codec's tests encode: numbers whose size differs by channel
// and layer, as activations' do, from a fixed seed.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/row_numbers.hpp"

namespace lamina {

inline digest sample_name(std::uint8_t first_byte = 0xa0) {
  digest name;
  for (std::size_t i = 0; i < name.bytes.size(); ++i)
    name.bytes[i] = static_cast<std::uint8_t>(first_byte + i);
  return name;
}

/// Narrow dtypes get the upper half of the float's bits: any bits will do.
inline raw_chunk_ptr sample_chunk(capture_shape shape) {
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
    for (std::uint32_t row = 0; row < chunk_positions; ++row) {
      std::byte* out = chunk->row(slot, row).data();
      for (std::uint32_t c = 0; c < shape.width; ++c) {
        const float x = normal(random) * static_cast<float>(1 + c % 5) *
                        static_cast<float>(slot + 1);
        std::byte bytes[sizeof x];
        std::memcpy(bytes, &x, sizeof x);
        const std::size_t size = size_of(shape.element);
        std::memcpy(out + c * size, bytes + sizeof x - size, size);
      }
    }
  return chunk;
}

/// Like residual streams: each layer adds to the one below. Channels differ in
/// size, and a few are outliers.
inline std::shared_ptr<raw_chunk> walk_chunk(capture_shape shape) {
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  for (std::uint32_t row = 0; row < chunk_positions; ++row) {
    std::vector<float> x(shape.width);
    for (std::uint32_t slot = 0; slot < shape.slots(); ++slot) {
      for (std::uint32_t c = 0; c < shape.width; ++c)
        x[c] += normal(random) * (slot == 0 ? 1.0f : 0.3f) *
                static_cast<float>(1 + c % 3) * (c % 97 == 31 ? 9.0f : 1.0f);
      narrow(x, shape.element, chunk->row(slot, row).data());
    }
  }
  return chunk;
}

/// Bytes that nothing can shrink.
inline raw_chunk_ptr noise_chunk(capture_shape shape) {
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::mt19937 random(4);
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
    for (std::uint32_t row = 0; row < chunk_positions; ++row)
      for (std::byte& byte : chunk->row(slot, row))
        byte = static_cast<std::byte>(random());
  return chunk;
}

}  // namespace lamina

// How fast the codec turns rows into stored values and back, on synthetic
// residuals: a random walk over the layers whose channels differ in size, as
// those of trained models do. Bytes are raw bytes; `bits_per_value` is what an
// element takes up in the end, header and offset table included.
#include <benchmark/benchmark.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "actors/codec/codec.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t seed = 7;

void store_bfloat16(float value, std::byte* at) {
  const auto bits = static_cast<std::uint16_t>(
      (std::bit_cast<std::uint32_t>(value) + 0x8000u) >> 16);
  std::memcpy(at, &bits, sizeof bits);
}

raw_chunk_ptr residual_like_chunk(capture_shape shape) {
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> channel_scale(shape.width);
  for (float& scale : channel_scale)
    scale = std::exp(0.5f * normal(random));
  for (std::uint32_t row = 0; row < chunk_positions; ++row) {
    std::vector<float> residual(shape.width);
    for (std::uint32_t slot = 0; slot < shape.slots(); ++slot) {
      std::byte* out = chunk->row(slot, row).data();
      for (std::uint32_t c = 0; c < shape.width; ++c) {
        residual[c] +=
            (slot == 0 ? 1.0f : 0.4f) * channel_scale[c] * normal(random);
        store_bfloat16(residual[c], out + 2 * std::size_t{c});
      }
    }
  }
  return chunk;
}

capture_shape shape_of(const benchmark::State& state) {
  return {static_cast<std::uint32_t>(state.range(0)),
          static_cast<std::uint32_t>(state.range(1)), dtype::bfloat16};
}

std::size_t bytes_of(const std::vector<stored_value_ptr>& values) {
  std::size_t bytes = 0;
  for (const auto& value : values)
    bytes += value->bytes.size();
  return bytes;
}

/// A chunk, all sites and layers.
void encode_chunk_bench(benchmark::State& state) {
  const raw_chunk_ptr chunk = residual_like_chunk(shape_of(state));
  std::size_t encoded = 0;
  for (auto _ : state)
    encoded =
        bytes_of(encode_chunk({}, *chunk, chunk_positions, codec_id::lossless));
  state.SetBytesProcessed(static_cast<std::int64_t>(
      state.iterations() * static_cast<std::int64_t>(chunk->bytes())));
  state.counters["bits_per_value"] =
      16.0 * static_cast<double>(encoded) / static_cast<double>(chunk->bytes());
}

/// A chunk, all sites and layers.
void decode_chunk_bench(benchmark::State& state) {
  const raw_chunk_ptr chunk = residual_like_chunk(shape_of(state));
  const auto values =
      encode_chunk({}, *chunk, chunk_positions, codec_id::lossless);
  for (auto _ : state)
    benchmark::DoNotOptimize(decode_chunk({}, chunk->shape(), 0, values));
  state.SetBytesProcessed(static_cast<std::int64_t>(
      state.iterations() * static_cast<std::int64_t>(chunk->bytes())));
}

/// One layer of a chunk, as a click on an activation wants it; with the check
/// of its value.
void decode_layer_bench(benchmark::State& state) {
  const raw_chunk_ptr chunk = residual_like_chunk(shape_of(state));
  const value_key key{{}, site::resid_post, 0};
  const auto value = encode(key, *chunk, chunk_positions, codec_id::lossless);
  std::vector<std::byte> out(chunk->rows(1).size());
  for (auto _ : state) {
    const auto header = check(key, value.bytes);
    benchmark::DoNotOptimize(
        decode_rows(header.value(), value.bytes, 0, 0, chunk_positions, out));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(
      state.iterations() * static_cast<std::int64_t>(out.size())));
}

BENCHMARK(encode_chunk_bench)->Args({8, 256})->Args({32, 4096});
BENCHMARK(decode_chunk_bench)->Args({8, 256})->Args({32, 4096});
BENCHMARK(decode_layer_bench)->Args({8, 256})->Args({32, 4096});

}  // namespace
}  // namespace lamina

BENCHMARK_MAIN();

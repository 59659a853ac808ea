// Residual streams of the demo model: the rates and bounds that
// docs/codecs.md states hold on real activations.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "actors/codec/codec.hpp"
#include "tests/unit/codec/row_errors.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

constexpr capture_shape demo{8, 192, dtype::bfloat16};

/// The golden's 64 positions as four chunks.
std::vector<raw_chunk_ptr> golden_chunks() {
  std::ifstream in(LAMINA_SOURCE_DIR
                   "/tests/goldens/activations/demo.safetensors",
                   std::ios::binary);
  std::uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  std::string header(length, ' ');
  in.read(header.data(), static_cast<std::streamsize>(length));
  const std::vector<char> body(std::istreambuf_iterator<char>(in), {});
  const auto tensors = nlohmann::json::parse(header);
  std::vector<raw_chunk_ptr> chunks;
  for (position_t first = 0; first < 64; first += chunk_positions) {
    auto chunk = std::make_shared<raw_chunk>(demo, first);
    const auto fill = [&](const std::string& name, std::uint32_t slot) {
      const auto at =
          tensors.at(name).at("data_offsets").at(0).get<std::size_t>();
      std::memcpy(chunk->row(slot, 0).data(),
                  body.data() + at + first * demo.row_bytes(),
                  chunk_positions * demo.row_bytes());
    };
    fill("embed", 0);
    for (std::uint32_t layer = 0; layer < demo.layers; ++layer)
      fill("resid_post." + std::to_string(layer), 1 + layer);
    fill("final_norm", 1 + demo.layers);
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

/// Everything of a site's stored values, in bits per number.
double bits_per_value(site at, quality q) {
  double bits = 0;
  double count = 0;
  for (const auto& chunk : golden_chunks())
    for (const auto& key : value_keys(sample_name(), at, demo)) {
      bits +=
          8.0 * static_cast<double>(encode(key, *chunk, 16, q).bytes.size());
      count += 16.0 * demo.width * (is_per_layer(at) ? demo.layers : 1);
    }
  return bits / count;
}

TEST(GoldenActivations, ResidualsTakeTheBitsStated) {
  EXPECT_LT(bits_per_value(site::resid_post, quality::lossless), 16 / 1.68);
  EXPECT_LT(bits_per_value(site::resid_post, quality::high), 6.85);
  EXPECT_LT(bits_per_value(site::resid_post, quality::balanced), 3.0);
  EXPECT_LT(bits_per_value(site::resid_post, quality::small), 2.15);
}

TEST(GoldenActivations, SitesWithoutLayersShrinkToo) {
  for (const site at : {site::embed, site::final_norm}) {
    EXPECT_LT(bits_per_value(at, quality::lossless), 12.2);
    EXPECT_LT(bits_per_value(at, quality::balanced), 5.6);
  }
}

TEST(GoldenActivations, LosslessIsExact) {
  for (const auto& chunk : golden_chunks()) {
    const auto values =
        encode_chunk(sample_name(), *chunk, 16, quality::lossless);
    const auto back = decode_chunk(sample_name(), demo, chunk->first(), values);
    ASSERT_TRUE(back.has_value());
    for (std::uint32_t slot = 0; slot < demo.slots(); ++slot)
      EXPECT_TRUE(
          std::ranges::equal(back.value()->rows(slot), chunk->rows(slot)));
  }
}

TEST(GoldenActivations, LossyKeepsItsBounds) {
  for (const quality q : {quality::high, quality::balanced, quality::small})
    for (const auto& chunk : golden_chunks()) {
      const auto values = encode_chunk(sample_name(), *chunk, 16, q);
      const auto back = decode_slots(sample_name(), demo, 0, values);
      ASSERT_TRUE(back.has_value());
      const row_errors errors = true_errors(*chunk, *back.value(), 16);
      EXPECT_LE(errors.row, bounds_of(q).row);
      EXPECT_LE(errors.ordinary, bounds_of(q).ordinary);
      for (const std::uint32_t slot : {0u, demo.layers + 1})
        for (std::uint32_t row = 0; row < 16; ++row)
          EXPECT_LE(true_errors(floats_of(*chunk, slot, row),
                                floats_of(*back.value(), slot, row))
                        .row,
                    bounds_of(q).row);
    }
}

}  // namespace
}  // namespace lamina

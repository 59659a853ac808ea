#include "actors/codec/codec.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr dtype dtypes[] = {dtype::float32, dtype::bfloat16, dtype::float16};
constexpr quality exact[] = {quality::raw, quality::lossless};

std::vector<std::byte> rows_of(const raw_chunk& chunk, std::uint32_t slot,
                               std::uint32_t begin, std::uint32_t end) {
  const std::size_t bytes = chunk.shape().row_bytes();
  const auto rows = chunk.rows(slot);
  return {rows.begin() + static_cast<long>(begin * bytes),
          rows.begin() + static_cast<long>(end * bytes)};
}

std::vector<std::byte> decoded(const stored_value& value, std::uint32_t layer,
                               std::uint32_t begin, std::uint32_t end) {
  const auto header = check(value.key, value.bytes);
  EXPECT_TRUE(header.has_value());
  std::vector<std::byte> out((end - begin) * header.value().shape.row_bytes());
  EXPECT_TRUE(decode_rows(header.value(), value.bytes, layer, begin, end, out));
  return out;
}

TEST(Codec, GivesTheExactBytesBackInEveryShape) {
  for (const dtype t : dtypes)
    for (const quality q : exact)
      for (const auto& [layers, width, rows] : {std::tuple{3u, 96u, 1u},
                                                {1u, 1u, 16u},
                                                {8u, 61u, 7u},
                                                {9u, 2055u, 16u},
                                                {80u, 40u, 2u}}) {
        const auto chunk = sample_chunk({layers, width, t});
        for (const auto& key :
             value_keys(sample_name(), site::resid_post, chunk->shape())) {
          const auto value = encode(key, *chunk, rows, q);
          EXPECT_EQ(value.rows, rows);
          const std::uint32_t end = std::min(
              layers, key.first_layer + layers_per_value(chunk->shape()));
          for (std::uint32_t layer = key.first_layer; layer < end; ++layer)
            EXPECT_EQ(decoded(value, layer, 0, rows),
                      rows_of(*chunk, 1 + layer, 0, rows));
        }
      }
}

TEST(Codec, DecodesSingleRowsOfSingleLayers) {
  const auto chunk = sample_chunk({5, 64, dtype::bfloat16});
  const auto value = encode({sample_name(), site::resid_post, 0}, *chunk, 16,
                            quality::lossless);
  for (std::uint32_t layer = 0; layer < 5; ++layer)
    for (std::uint32_t row = 0; row < 16; ++row)
      EXPECT_EQ(decoded(value, layer, row, row + 1),
                rows_of(*chunk, 1 + layer, row, row + 1));
}

TEST(Codec, LosslessShrinksActivations) {
  for (const dtype t : {dtype::float32, dtype::bfloat16}) {
    const auto chunk = sample_chunk({2, 1024, t});
    const value_key key{sample_name(), site::resid_post, 0};
    const auto raw = encode(key, *chunk, 16, quality::raw);
    const auto packed = encode(key, *chunk, 16, quality::lossless);
    EXPECT_LT(packed.bytes.size() * 20, raw.bytes.size() * 18);
  }
}

TEST(Codec, NoiseFallsBackToRawRows) {
  for (const quality q : {quality::lossless, quality::high, quality::small}) {
    const auto chunk = noise_chunk({2, 128, dtype::bfloat16});
    const value_key key{sample_name(), site::resid_post, 0};
    const auto packed = encode(key, *chunk, 16, q);
    EXPECT_EQ(packed.bytes.size(),
              encode(key, *chunk, 16, quality::raw).bytes.size());
    EXPECT_EQ(decoded(packed, 1, 0, 16), rows_of(*chunk, 2, 0, 16));
  }
}

TEST(Codec, HeaderSaysWhatTheValueIs) {
  const capture_shape wide{21, 2048, dtype::float32};  // a value: 8 layers
  const auto chunk = walk_chunk(wide);
  const value_key key{sample_name(), site::resid_post, 16};
  const auto value = encode(key, *chunk, 9, quality::balanced);
  const auto header = check(key, value.bytes);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header.value().key, key);
  EXPECT_EQ(header.value().kept, quality::balanced);
  EXPECT_EQ(header.value().shape, wide);
  EXPECT_EQ(header.value().rows, 9u);
  EXPECT_EQ(header.value().layers, 5u);
  EXPECT_EQ(header.value().key_interval, 8u);
  EXPECT_GT(header.value().errors.row, 0.05f);
  EXPECT_GT(header.value().errors.ordinary, 0.05f);
  const auto exact_value = encode(key, *chunk, 9, quality::lossless);
  EXPECT_EQ(check(key, exact_value.bytes).value().errors.row, 0.0f);
}

TEST(Codec, SitesWithoutLayersIgnoreTheLayer) {
  const auto chunk = sample_chunk({3, 32, dtype::float16});
  const auto embed =
      encode({sample_name(), site::embed, 0}, *chunk, 16, quality::lossless);
  EXPECT_EQ(decoded(embed, 2, 3, 5), rows_of(*chunk, 0, 3, 5));
  const auto last = encode({sample_name(), site::final_norm, 0}, *chunk, 16,
                           quality::lossless);
  EXPECT_EQ(decoded(last, 0, 0, 16), rows_of(*chunk, 4, 0, 16));
}

TEST(Codec, AskingBeyondWhatAValueHoldsIsOutOfRange) {
  const auto chunk = sample_chunk({21, 2048, dtype::float32});
  const value_key key{sample_name(), site::resid_post, 8};
  const auto value = encode(key, *chunk, 4, quality::lossless);
  const auto header = check(key, value.bytes).value();
  std::vector<std::byte> row(header.shape.row_bytes());
  const auto code = [&](std::uint32_t layer, std::uint32_t begin,
                        std::uint32_t end, std::size_t room) {
    const auto r = decode_rows(header, value.bytes, layer, begin, end,
                               std::span(row).first(room));
    return r.has_error() ? r.error().code : error_code{};
  };
  EXPECT_EQ(code(8, 0, 1, row.size()), error_code{});
  EXPECT_EQ(code(7, 0, 1, row.size()), error_code::out_of_range);
  EXPECT_EQ(code(16, 0, 1, row.size()), error_code::out_of_range);
  EXPECT_EQ(code(0xffffffff, 0, 1, row.size()), error_code::out_of_range);
  EXPECT_EQ(code(8, 4, 5, row.size()), error_code::out_of_range);
  EXPECT_EQ(code(8, 2, 1, row.size()), error_code::out_of_range);
  EXPECT_EQ(code(8, 0, 1, row.size() - 1), error_code::invalid_argument);
}

TEST(Codec, ChunkComesBackFromItsValues) {
  for (const capture_shape& shape : {capture_shape{3, 96, dtype::bfloat16},
                                     capture_shape{21, 2048, dtype::float32}}) {
    const auto chunk = sample_chunk(shape);
    const auto values =
        encode_chunk(sample_name(), *chunk, 16, quality::lossless);
    EXPECT_THAT(values, SizeIs(shape.layers == 3 ? 3 : 5));
    const auto back = decode_chunk(sample_name(), shape, 48, values);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back.value()->first(), 48u);
    for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
      EXPECT_EQ(rows_of(*back.value(), slot, 0, 16),
                rows_of(*chunk, slot, 0, 16));
  }
}

TEST(Codec, ChunkNeedsTheEmbeddingAndEveryLayer) {
  const capture_shape shape{21, 2048, dtype::float32};
  auto values =
      encode_chunk(sample_name(), *sample_chunk(shape), 16, quality::lossless);
  auto lacking = values;
  lacking[2] = nullptr;  // embed, layers 0-7, 8-15, 16-20, final_norm
  const auto back = decode_chunk(sample_name(), shape, 0, lacking);
  ASSERT_TRUE(back.has_error());
  EXPECT_EQ(back.error().code, error_code::not_found);
  EXPECT_THAT(back.error().context, HasSubstr("layer 8"));
  values.pop_back();
  EXPECT_TRUE(decode_chunk(sample_name(), shape, 0, values).has_value());
}

TEST(Codec, ChunkOfAnotherNameOrShapeIsRefused) {
  const capture_shape shape{2, 32, dtype::bfloat16};
  const auto values =
      encode_chunk(sample_name(), *sample_chunk(shape), 16, quality::lossless);
  EXPECT_EQ(decode_chunk(sample_name(1), shape, 0, values).error().code,
            error_code::invalid_argument);
  const capture_shape other{2, 64, dtype::bfloat16};
  EXPECT_EQ(decode_chunk(sample_name(), other, 0, values).error().code,
            error_code::corrupt);
}

}  // namespace
}  // namespace lamina

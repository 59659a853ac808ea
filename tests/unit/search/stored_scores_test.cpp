#include "actors/search/stored_scores.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <random>

namespace lamina {
namespace {

const digest name{{9}};
constexpr capture_shape shape{5, 48, dtype::bfloat16};

/// Values that differ everywhere; row 6 of layer 3 is no number.
raw_chunk_ptr sample() {
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
    for (std::uint32_t row = 0; row < chunk_positions; ++row)
      for (std::uint32_t c = 0; c < shape.width; ++c) {
        const auto bits = static_cast<std::uint16_t>(
            std::bit_cast<std::uint32_t>(normal(random)) >> 16);
        std::memcpy(chunk->row(slot, row).data() + 2 * c, &bits, 2);
      }
  constexpr std::uint16_t not_a_number = 0x7fc0;
  std::memcpy(chunk->row(4, 6).data(), &not_a_number, 2);
  return chunk;
}

std::vector<float> row_of(const raw_chunk& chunk, std::uint32_t slot,
                          std::uint32_t row) {
  std::vector<float> wide(shape.width);
  widen_row(chunk.row(slot, row), shape.element, wide);
  return wide;
}

stored_value value_of(const raw_chunk& chunk, site at, std::uint32_t layer,
                      std::uint32_t rows) {
  return encode(key_of_layer(name, at, layer, shape), chunk, rows,
                quality::lossless);
}

TEST(StoredScores, AreThoseOfTheAskedLayersRows) {
  const auto chunk = sample();
  const auto query =
      scorer::make(row_of(*chunk, 4, 2), similarity::cosine).value();
  stored_scores scores;
  const auto value = value_of(*chunk, site::resid_post, 3, chunk_positions);
  const auto found = scores.score(query, value, 3, 0xffff).value();
  EXPECT_EQ(found.scored, 0xffffu & ~(1u << 6));
  EXPECT_EQ(found.unranked, 1u << 6);
  EXPECT_EQ(found.missing, 0u);
  EXPECT_NEAR(found.scores[2], 1, 1e-6);
  for (std::uint32_t row = 0; row < chunk_positions; ++row) {
    float expected = 0;
    query.score(chunk->row(4, row), shape.element, std::span(&expected, 1));
    if (row != 6) {
      EXPECT_EQ(found.scores[row], expected) << row;
    }
  }
}

TEST(StoredScores, EmbedAndFinalNormHaveValuesOfTheirOwn) {
  const auto chunk = sample();
  stored_scores scores;
  for (const auto at : {site::embed, site::final_norm}) {
    const auto slot = slot_of(at, 0, shape.layers);
    const auto query =
        scorer::make(row_of(*chunk, slot, 5), similarity::cosine).value();
    const auto value = value_of(*chunk, at, 0, chunk_positions);
    const auto found = scores.score(query, value, 0, 1u << 5).value();
    EXPECT_EQ(found.scored, 1u << 5);
    EXPECT_NEAR(found.scores[5], 1, 1e-6);
  }
}

TEST(StoredScores, OnlyWantedRowsAreScored) {
  const auto chunk = sample();
  const auto query =
      scorer::make(row_of(*chunk, 1, 0), similarity::dot).value();
  const auto value = value_of(*chunk, site::resid_post, 0, chunk_positions);
  const auto found = stored_scores().score(query, value, 0, 0b10100).value();
  EXPECT_EQ(found.scored, 0b10100u);
  EXPECT_EQ(found.unranked | found.missing, 0u);
}

TEST(StoredScores, RowsThatTheValueLacksAreMissing) {
  const auto chunk = sample();
  const auto query =
      scorer::make(row_of(*chunk, 1, 0), similarity::dot).value();
  const auto value = value_of(*chunk, site::resid_post, 0, 3);
  const auto found = stored_scores().score(query, value, 0, 0b11110).value();
  EXPECT_EQ(found.scored, 0b00110u);
  EXPECT_EQ(found.missing, 0b11000u);
  const auto none = stored_scores().score(query, value, 0, 0b11000).value();
  EXPECT_EQ(none.missing, 0b11000u);
}

TEST(StoredScores, ADamagedValueIsCorrupt) {
  const auto chunk = sample();
  const auto query =
      scorer::make(row_of(*chunk, 1, 0), similarity::dot).value();
  auto value = value_of(*chunk, site::resid_post, 0, chunk_positions);
  value.bytes[value.bytes.size() / 2] ^= std::byte{1};
  const auto found = stored_scores().score(query, value, 0, 0xffff);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, error_code::corrupt);
}

TEST(StoredScores, AValueOfAnotherWidthIsCorrupt) {
  const auto chunk = sample();
  const auto query = scorer::make({1, 2, 3}, similarity::dot).value();
  const auto value = value_of(*chunk, site::resid_post, 0, chunk_positions);
  const auto found = stored_scores().score(query, value, 0, 1);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, error_code::corrupt);
}

}  // namespace
}  // namespace lamina

#include "actors/chunks/lens_record.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace lamina {
namespace {

lens_record record(std::uint32_t seed) {
  lens_record r{};
  for (std::uint32_t k = 0; k < lens_top_k; ++k) {
    r.top_ids[k] = seed * 100 + k;
    r.top_log_probabilities[k] = -0.5f * static_cast<float>(k + seed);
  }
  r.entropy = static_cast<float>(seed);
  r.kl_to_final = 0.25f;
  r.of_this = {seed + 1, -2.0f};
  return r;
}

/// Positions first .. first+count-1 of a model with two layers; `salt` tells
/// two computations of the same position apart.
lens_rows rows_of(position_t first, std::uint32_t count, bool first_rated,
                  std::uint32_t salt = 0) {
  lens_rows rows{first, 2, first_rated, {}};
  for (std::uint32_t i = 0; i < count * 3; ++i)
    rows.records.push_back(record(first * 3 + i + salt));
  return rows;
}

bool same(const lens_record& a, const lens_record& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

TEST(LensBlock, BeginsEmptyWithNoTokens) {
  const lens_block block = make_lens_block(2);
  EXPECT_EQ(block.rows, 0u);
  EXPECT_EQ(block.complete, 0u);
  EXPECT_EQ(block.records.size(), 16u * 3);
  EXPECT_EQ(block.at(15, 1).top_ids[9], no_token);
}

TEST(LensBlock, TakesOnlyTheRowsOfItsChunk) {
  lens_block block = make_lens_block(2);
  const lens_rows rows = rows_of(14, 20, false);
  merge(block, 16, rows);
  EXPECT_EQ(block.rows, 16u);
  EXPECT_EQ(block.complete, 0xffffu);
  EXPECT_EQ(block.rated, 0xffffu);
  EXPECT_TRUE(same(block.at(0, embed_layer), rows.records[2 * 3]));
  EXPECT_TRUE(same(block.at(15, 1), rows.records[17 * 3 + 2]));
}

TEST(LensBlock, FirstRowIsUnratedUnlessSaid) {
  lens_block block = make_lens_block(2);
  merge(block, 0, rows_of(0, 3, false));
  EXPECT_EQ(block.complete, 0b111u);
  EXPECT_EQ(block.rated, 0b110u);
  lens_block rated = make_lens_block(2);
  merge(rated, 16, rows_of(16, 1, true));
  EXPECT_EQ(rated.rated, 1u);
}

TEST(LensBlock, MergeKeepsWhatIsThereAndAddsWhatIsNot) {
  lens_block block = make_lens_block(2);
  merge(block, 0, rows_of(0, 2, false));
  lens_block other = make_lens_block(2);
  merge(other, 0, rows_of(0, 4, true, 1000));
  merge(block, other);
  EXPECT_EQ(block.rows, 4u);
  EXPECT_EQ(block.complete, 0b1111u);
  EXPECT_EQ(block.rated, 0b1111u);
  EXPECT_EQ(block.at(0, 0).top_ids[0], 100u);         // kept
  EXPECT_EQ(block.at(0, 0).of_this.rank, 1002u);      // added
  EXPECT_EQ(block.at(1, 0).of_this.rank, 5u);         // kept
  EXPECT_EQ(block.at(3, 0).top_ids[0], 100u * 1010);  // added
}

TEST(LensBlock, SurvivesEncoding) {
  lens_block block = make_lens_block(2);
  merge(block, 32, rows_of(32, 5, false));
  const auto bytes = encode(block);
  EXPECT_EQ(bytes.size(), 24u + 5 * 3 * 96);
  const auto back = decode_lens_block(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back.value().rows, 5u);
  EXPECT_EQ(back.value().complete, 0b11111u);
  EXPECT_EQ(back.value().rated, 0b11110u);
  ASSERT_EQ(back.value().records.size(), block.records.size());
  EXPECT_EQ(std::memcmp(back.value().records.data(), block.records.data(),
                        block.records.size() * sizeof(lens_record)),
            0);
}

TEST(LensBlock, HeaderMatchesItsGolden) {
  lens_block block = make_lens_block(2);
  merge(block, 0, rows_of(0, 3, false));
  const auto bytes = encode(block);
  const unsigned char golden[24] = {
      'L', 'L', 'E', 'N',  // magic
      1,   0,   10,  0,    // version, predictions a record
      2,   0,   0,   0,    // layers
      3,   0,   0,   0,    // rows
      7,   0,   0,   0,    // complete: rows 0, 1, 2
      6,   0,   0,   0,    // rated: rows 1, 2
  };
  EXPECT_EQ(std::memcmp(bytes.data(), golden, sizeof golden), 0);
  std::uint32_t rank;  // rank of the last record's `of_this`
  std::memcpy(&rank, bytes.data() + bytes.size() - 8, sizeof rank);
  EXPECT_EQ(rank, 9u);
}

TEST(LensBlock, EveryTruncationIsCorrupt) {
  lens_block block = make_lens_block(2);
  merge(block, 0, rows_of(0, 2, false));
  const auto bytes = encode(block);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto back = decode_lens_block(std::span(bytes).first(length));
    ASSERT_TRUE(back.has_error()) << length;
    EXPECT_EQ(back.error().code, error_code::corrupt) << length;
  }
}

TEST(LensBlock, NewerVersionIsRefusedByNumber) {
  auto bytes = encode(make_lens_block(2));
  bytes[4] = std::byte{2};
  const auto back = decode_lens_block(bytes);
  ASSERT_TRUE(back.has_error());
  EXPECT_EQ(back.error().code, error_code::unsupported_version);
}

TEST(LensBlock, LyingHeadersAreCorrupt) {
  lens_block block = make_lens_block(2);
  merge(block, 0, rows_of(0, 2, false));
  const auto bytes = encode(block);
  // layers, rows, complete and rated, each made too large
  for (const std::size_t field : {11, 15, 12, 18, 22}) {
    auto lying = bytes;
    lying[field] = std::byte{0x7f};
    const auto back = decode_lens_block(lying);
    ASSERT_TRUE(back.has_error()) << field;
    EXPECT_EQ(back.error().code, error_code::corrupt) << field;
  }
}

TEST(LensBlock, RandomBytesNeverCrash) {
  lens_block block = make_lens_block(2);
  merge(block, 0, rows_of(0, 2, false));
  const auto bytes = encode(block);
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    auto mutated = bytes;
    for (int i = 0; i < 3; ++i)
      mutated[random() % 40] = static_cast<std::byte>(random());
    mutated.resize(random() % (mutated.size() + 1));
    const auto back = decode_lens_block(mutated);
    if (back.has_value()) {
      EXPECT_LE(back.value().rows, 16u);
    }
  }
}

}  // namespace
}  // namespace lamina

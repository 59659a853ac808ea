#include "actors/audit/ledger.hpp"

#include <gtest/gtest.h>

#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

// Wide enough for two values a chunk: layers 0 to 8, and 8 to 12.
constexpr capture_shape shape{12, 4096, dtype::bfloat16};

chunk_record record(presence promised, std::size_t tokens = 16) {
  chunk_record r;
  r.name = sample_name();
  r.tokens.resize(tokens);
  r.embed = r.resid_post = r.final_norm = promised;
  return r;
}

/// All values of the chunk, with so many rows.
chunk_contents stored(quality kept, std::uint32_t rows = 16) {
  static const auto chunk = walk_chunk(shape);
  chunk_contents all;
  all.name = sample_name();
  all.references = 1;
  for (const auto& value : encode_chunk(all.name, *chunk, rows, kept)) {
    value_head head{value->key, value->rows, value->bytes.size(), {}};
    head.first_bytes.assign(value->bytes.begin(),
                            value->bytes.begin() + stored_head_bytes);
    all.values.push_back(std::move(head));
  }
  return all;
}

std::vector<ledger_line> residuals(std::vector<ledger_line> lines) {
  std::erase_if(lines, [](const auto& l) { return l.at != site::resid_post; });
  return lines;
}

/// Each layer of each site has each row once.
void expect_whole(const std::vector<ledger_line>& lines, std::uint32_t rows) {
  for (const auto at : {site::embed, site::resid_post, site::final_norm}) {
    const std::uint32_t layers = is_per_layer(at) ? shape.layers : 1;
    std::vector<int> seen(std::size_t{layers} * rows);
    for (const auto& line : lines)
      for (auto l = line.layer_begin; line.at == at && l < line.layer_end; ++l)
        for (auto r = line.row_begin; r < line.row_end; ++r)
          ++seen[l * rows + r];
    EXPECT_EQ(seen, std::vector<int>(seen.size(), 1)) << to_string(at);
  }
}

TEST(Ledger, TheShapeOfTheseTestsHasTwoValuesASite) {
  ASSERT_EQ(value_keys(sample_name(), site::resid_post, shape).size(), 2u);
}

TEST(Ledger, EqualLayersShareALine) {
  const auto lines =
      ledger_of(record(presence::present), shape, stored(quality::lossless));
  expect_whole(lines, 16);
  ASSERT_EQ(lines.size(), 3u);
  for (const auto& line : lines) {
    EXPECT_EQ(line.state, presence::present);
    EXPECT_EQ(line.kept, quality::lossless);
    EXPECT_EQ(line.errors.row, 0);
    EXPECT_GT(line.stored_bytes, 0u);
  }
  EXPECT_EQ(common_state(lines, site::resid_post), presence::present);
}

TEST(Ledger, LossyLayersSayTheirQualityAndError) {
  const auto lines = residuals(
      ledger_of(record(presence::present), shape, stored(quality::high)));
  ASSERT_EQ(lines.size(), 2u);
  for (const auto& line : lines) {
    EXPECT_EQ(line.kept, quality::high);
    EXPECT_GT(line.errors.row, 0);
    EXPECT_LE(line.errors.row, bounds_of(quality::high).row);
    EXPECT_GT(line.errors.ordinary, 0);
  }
  EXPECT_EQ(lines[1].layer_begin, 8u);
  EXPECT_EQ(lines[1].layer_end, 12u);
}

TEST(Ledger, WhatIsPromisedAndNotThereIsCorruptUnlessItWasEvicted) {
  chunk_contents nothing{sample_name(), 1, 0, {}, {}};
  auto lines = ledger_of(record(presence::present), shape, nothing);
  expect_whole(lines, 16);
  EXPECT_EQ(common_state(lines, site::embed), presence::corrupt);
  nothing.evicted = 1u << static_cast<int>(site::embed);
  lines = ledger_of(record(presence::present), shape, nothing);
  EXPECT_EQ(common_state(lines, site::embed), presence::evicted);
  EXPECT_EQ(common_state(lines, site::resid_post), presence::corrupt);
}

TEST(Ledger, WhatIsNotThereKeepsWhatTheRecordSays) {
  const chunk_contents nothing{sample_name(), 1, 0, {}, {}};
  for (const auto state : {presence::never_asked, presence::pending,
                           presence::dropped, presence::on_demand})
    EXPECT_EQ(common_state(ledger_of(record(state), shape, nothing),
                           site::resid_post),
              state);
}

TEST(Ledger, WhatIsThereIsPresentWhateverWasPromised) {
  const auto there = stored(quality::lossless);
  for (const auto state : {presence::dropped, presence::on_demand})
    EXPECT_EQ(
        common_state(ledger_of(record(state), shape, there), site::resid_post),
        presence::present);
  const auto damaged = ledger_of(record(presence::corrupt), shape, there);
  EXPECT_EQ(common_state(damaged, site::resid_post), presence::corrupt);
  EXPECT_EQ(damaged[0].kept, std::nullopt);
}

TEST(Ledger, OneLostValueIsToldFromTheOther) {
  auto half = stored(quality::lossless);
  std::erase_if(half.values, [](const value_head& v) {
    return v.key == value_key{sample_name(), site::resid_post, 8};
  });
  const auto lines = ledger_of(record(presence::present), shape, half);
  expect_whole(lines, 16);
  EXPECT_EQ(common_state(lines, site::resid_post), std::nullopt);
  const auto parts = residuals(lines);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].state, presence::present);
  EXPECT_EQ(parts[1].state, presence::corrupt);
  EXPECT_EQ(parts[1].layer_begin, 8u);
}

TEST(Ledger, RowsBehindAShortValueAreComputedWhenAskedFor) {
  const auto lines =
      ledger_of(record(presence::present, 9), shape, stored(quality::high, 6));
  expect_whole(lines, 9);
  const auto parts = residuals(lines);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[2].state, presence::on_demand);
  EXPECT_EQ(parts[2].row_begin, 6u);
  EXPECT_EQ(parts[2].row_end, 9u);
  EXPECT_EQ(parts[2].layer_end, 12u);
}

TEST(Ledger, AForkHasFewerTokensThanTheValueHasRows) {
  const auto lines =
      ledger_of(record(presence::present, 4), shape, stored(quality::lossless));
  expect_whole(lines, 4);
}

TEST(Ledger, AHeadThatMakesNoSenseIsCorrupt) {
  auto spoilt = stored(quality::lossless);
  for (auto& value : spoilt.values)
    value.first_bytes[0] ^= std::byte{1};
  EXPECT_EQ(common_state(ledger_of(record(presence::present), shape, spoilt),
                         site::resid_post),
            presence::corrupt);
  for (auto& value : spoilt.values)
    value.first_bytes.resize(10);
  EXPECT_EQ(common_state(ledger_of(record(presence::present), shape, spoilt),
                         site::embed),
            presence::corrupt);
}

}  // namespace
}  // namespace lamina

#include "actors/cache/memory_tier.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

constexpr capture_shape shape{2, 8, dtype::float32};

digest name_of(std::uint8_t n) {
  digest d;
  d.bytes[0] = n;
  return d;
}

stored_value_ptr value(const digest& chunk, std::uint32_t rows,
                       std::size_t bytes) {
  auto v = std::make_shared<stored_value>();
  v->key = {chunk, site::resid_post, 0};
  v->rows = rows;
  v->bytes.resize(bytes);
  return v;
}

ready_rows raw(std::uint32_t rows) {
  return {std::make_shared<const raw_chunk>(shape, 0), 0, rows};
}

lens_block_ptr block() {
  return std::make_shared<const lens_block>(make_lens_block(2));
}

TEST(MemoryTier, LeastRecentlyUsedGoesFirst) {
  memory_tier tier(300);
  tier.put_values(name_of(1), {value(name_of(1), 16, 100)});
  tier.put_values(name_of(2), {value(name_of(2), 16, 100)});
  tier.put_values(name_of(3), {value(name_of(3), 16, 100)});
  ASSERT_NE(tier.find(name_of(1)), nullptr);  // used: now 2 is the oldest
  tier.put_values(name_of(4), {value(name_of(4), 16, 100)});
  EXPECT_EQ(tier.find(name_of(2)), nullptr);
  EXPECT_NE(tier.find(name_of(1)), nullptr);
  EXPECT_EQ(tier.bytes(), 300u);
  EXPECT_EQ(tier.evictions(), 1u);
}

TEST(MemoryTier, ASmallerLimitHoldsAtOnce) {
  memory_tier tier(300);
  for (std::uint8_t n = 1; n <= 3; ++n)
    tier.put_values(name_of(n), {value(name_of(n), 16, 100)});
  tier.limit(200, 0);
  EXPECT_EQ(tier.find(name_of(1)), nullptr);
  EXPECT_EQ(tier.bytes(), 200u);
  tier.limit(0, 0);
  EXPECT_EQ(tier.entries(), 0u);
}

TEST(MemoryTier, AShorterTimeToLiveHoldsAtOnce) {
  memory_tier tier(300);
  tier.put_values(name_of(1), {value(name_of(1), 16, 100)});
  tier.advance(1'000);
  tier.put_values(name_of(2), {value(name_of(2), 16, 100)});
  tier.limit(300, 1'000);
  EXPECT_EQ(tier.find(name_of(1)), nullptr);
  EXPECT_NE(tier.find(name_of(2)), nullptr);
}

TEST(MemoryTier, RowsInFlightAreNeverEvicted) {
  memory_tier tier(1);
  tier.put_raw(name_of(1), raw(3));
  tier.put_values(name_of(2), {value(name_of(2), 16, 100)});
  tier.put_values(name_of(3), {value(name_of(3), 16, 100)});
  ASSERT_NE(tier.find(name_of(1)), nullptr);
  EXPECT_EQ(tier.find(name_of(1))->raw.end, 3u);
  EXPECT_EQ(tier.find(name_of(2)), nullptr);
  EXPECT_GT(tier.raw_bytes(), 0u);
}

TEST(MemoryTier, ValuesThatCoverTheRowsTakeTheirPlace) {
  memory_tier tier(1 << 20);
  tier.put_raw(name_of(1), raw(5));
  tier.put_sealed(name_of(1), {value(name_of(1), 4, 10)});
  EXPECT_NE(tier.find(name_of(1))->raw.chunk, nullptr) << "row 4 is only raw";
  tier.put_sealed(name_of(1), {value(name_of(1), 5, 10)});
  EXPECT_EQ(tier.find(name_of(1))->raw.chunk, nullptr);
  EXPECT_EQ(tier.raw_bytes(), 0u);
  EXPECT_EQ(tier.bytes(), 10u);
}

TEST(MemoryTier, ValuesReadOfOneSiteLeaveTheRowsInFlight) {
  memory_tier tier(1 << 20);
  tier.put_raw(name_of(1), raw(5));
  tier.put_values(name_of(1), {value(name_of(1), 16, 10)});
  EXPECT_NE(tier.find(name_of(1))->raw.chunk, nullptr)
      << "the other sites are only raw";
}

TEST(MemoryTier, AValueWithFewerRowsNeverReplacesOneWithMore) {
  memory_tier tier(1 << 20);
  tier.put_values(name_of(1), {value(name_of(1), 9, 10)});
  tier.put_values(name_of(1), {value(name_of(1), 2, 10)});
  const auto* e = tier.find(name_of(1));
  EXPECT_EQ(e->values.begin()->second->rows, 9u);
}

TEST(MemoryTier, ALowerFidelityNeverReplacesAHigherOne) {
  memory_tier tier(1000);
  const auto exact = value(name_of(1), 16, 200);
  tier.put_values(name_of(1), {exact});
  auto lossy = std::make_shared<stored_value>(*value(name_of(1), 16, 50));
  lossy->relative_error = 0.07f;
  tier.put_values(name_of(1), {lossy});
  EXPECT_EQ(tier.find(name_of(1))->values.begin()->second, exact);
  tier.put_values(name_of(2), {lossy});
  tier.put_values(name_of(2), {exact});
  EXPECT_EQ(tier.find(name_of(2))->values.begin()->second, exact);
}

TEST(MemoryTier, OlderNewsOfAChunkInFlightIsIgnored) {
  memory_tier tier(1 << 20);
  auto rows = raw(7);
  tier.put_raw(name_of(1), rows);
  tier.put_raw(name_of(1), {rows.chunk, 0, 4});
  EXPECT_EQ(tier.find(name_of(1))->raw.end, 7u);
}

TEST(MemoryTier, BytesAreExactThroughAllChanges) {
  memory_tier tier(1 << 20);
  auto lens_bytes = block()->records.size() * sizeof(lens_record);
  tier.put_lens(name_of(1), block());
  tier.put_lens(name_of(1), block());
  EXPECT_EQ(tier.bytes(), lens_bytes);
  tier.put_values(name_of(1), {value(name_of(1), 16, 100)});
  EXPECT_EQ(tier.bytes(), lens_bytes + 100);
  tier.put_raw(name_of(1), raw(1));
  tier.discard(name_of(1));
  tier.discard(name_of(1));
  EXPECT_EQ(tier.bytes(), 0u);
  EXPECT_EQ(tier.raw_bytes(), 0u);
  EXPECT_EQ(tier.entries(), 0u);
}

TEST(MemoryTier, AnEntryLargerThanTheBudgetIsKeptUntilTheNext) {
  memory_tier tier(10);
  tier.put_values(name_of(1), {value(name_of(1), 16, 100)});
  EXPECT_NE(tier.find(name_of(1)), nullptr);
  tier.put_values(name_of(2), {value(name_of(2), 16, 100)});
  EXPECT_EQ(tier.find(name_of(1)), nullptr);
}

TEST(MemoryTier, WhatWasNotUsedForItsTimeToLiveGoes) {
  memory_tier tier(1 << 20, 1000);
  tier.advance(5000);
  tier.put_values(name_of(1), {value(name_of(1), 16, 100)});
  tier.put_values(name_of(2), {value(name_of(2), 16, 100)});
  tier.advance(5600);
  ASSERT_NE(tier.find(name_of(1)), nullptr);
  tier.advance(5999);
  EXPECT_EQ(tier.entries(), 2u);
  tier.advance(6000);
  EXPECT_EQ(tier.entries(), 1u);
  EXPECT_EQ(tier.bytes(), 100u);
  tier.advance(6600);
  EXPECT_EQ(tier.entries(), 0u);
  EXPECT_EQ(tier.evictions(), 2u);
}

TEST(MemoryTier, RowsInFlightOutliveTheirTime) {
  memory_tier tier(1 << 20, 1000);
  tier.put_raw(name_of(1), raw(3));
  tier.put_lens(name_of(1), block());
  tier.put_values(name_of(2), {value(name_of(2), 16, 100)});
  tier.advance(1'000'000);
  EXPECT_EQ(tier.find(name_of(2)), nullptr);
  ASSERT_NE(tier.find(name_of(1)), nullptr);
  EXPECT_EQ(tier.find(name_of(1))->raw.end, 3u);
  EXPECT_EQ(tier.find(name_of(1))->lens, nullptr);
  EXPECT_EQ(tier.bytes(), 0u);
}

TEST(MemoryTier, ClockThatGoesBackDropsNothing) {
  memory_tier tier(1 << 20, 1000);
  tier.advance(5000);
  tier.put_values(name_of(1), {value(name_of(1), 16, 100)});
  tier.advance(100);
  ASSERT_NE(tier.find(name_of(1)), nullptr);
  tier.advance(6000);
  EXPECT_EQ(tier.find(name_of(1)), nullptr);
}

TEST(MemoryTier, DiscardedRawRowsLeaveWhatElseIsKnown) {
  memory_tier tier(100'000);
  tier.put_raw(name_of(1), raw(16));
  tier.put_lens(name_of(1), block());
  tier.put_raw(name_of(2), raw(16));
  tier.discard_raw(name_of(1));
  tier.discard_raw(name_of(2));
  tier.discard_raw(name_of(3));
  EXPECT_EQ(tier.raw_bytes(), 0u);
  ASSERT_NE(tier.find(name_of(1)), nullptr);
  EXPECT_EQ(tier.find(name_of(1))->raw.chunk, nullptr);
  EXPECT_NE(tier.find(name_of(1))->lens, nullptr);
  EXPECT_EQ(tier.find(name_of(2)), nullptr) << "nothing was left of it";
  EXPECT_EQ(tier.entries(), 1u);
}

}  // namespace
}  // namespace lamina

#include "actors/codec/symbol_tables.hpp"

#include <gtest/gtest.h>
#include <xxhash.h>

namespace lamina {
namespace {

void expect_sound(const symbol_tables& tables) {
  const std::size_t count = tables.encode.size() / tables.stride;
  ASSERT_EQ(tables.decode.size(), count * probability_slots);
  for (std::size_t t = 0; t < count; ++t) {
    std::uint32_t next = 0;
    for (std::uint32_t s = 0; s < tables.stride; ++s) {
      const std::uint32_t entry = tables.encode[t * tables.stride + s];
      const std::uint32_t slots = entry & 0xfff;
      ASSERT_EQ(entry >> 12, next) << "table " << t << ", symbol " << s;
      // All slots would leave the escape none, and the coder no room.
      ASSERT_LT(slots, probability_slots);
      for (std::uint32_t i = 0; i < slots; ++i)
        ASSERT_EQ(tables.decode[t * probability_slots + next + i],
                  s << 24 | slots << 12 | i);
      next += slots;
    }
    ASSERT_EQ(next, probability_slots) << "table " << t;
    ASSERT_GT(tables.encode[t * tables.stride + tables.escape] & 0xfff, 0u);
  }
}

TEST(SymbolTables, EverySlotBelongsToOneSymbolAndEscapesHaveSome) {
  expect_sound(residual_symbols());
  expect_sound(magnitude_symbols());
  EXPECT_EQ(residual_symbols().encode.size(), residual_tables * 64u);
  EXPECT_EQ(magnitude_symbols().encode.size(), 4u * contexts * 256);
}

// Stored values can only be read with these very tables: if this fails, the
// format has changed, or a compiler has computed them differently.
TEST(SymbolTables, AreTheBitsThatTheFormatHas) {
  const auto digest = [](const std::vector<std::uint32_t>& words) {
    return XXH3_64bits(words.data(), words.size() * sizeof(std::uint32_t));
  };
  EXPECT_EQ(digest(residual_symbols().encode), 5471849184422661651ull);
  EXPECT_EQ(digest(magnitude_symbols().encode), 14585458974052287024ull);
}

TEST(SymbolTables, ScalesFollowTheMeanMagnitude) {
  EXPECT_EQ(scale_for(0), 0u);
  EXPECT_EQ(scale_for(1e9f), residual_scales - 1);
  std::uint32_t last = 0;
  for (float mean = 0.001f; mean < 4000; mean *= 1.05f) {
    EXPECT_GE(scale_for(mean), last);
    last = scale_for(mean);
  }
  // Mean magnitude of a normal distribution: 0.8 deviations.
  EXPECT_NEAR(scale_for(0.8f), 16, 1);
  EXPECT_NEAR(scale_for(0.8f * 64), 40, 1);
  EXPECT_EQ(scale_of(24).low_bits, 0u);
  EXPECT_EQ(scale_of(25).low_bits, 1u);
  EXPECT_EQ(scale_of(25).table, 21u);
  EXPECT_EQ(scale_of(56).low_bits, 8u);
}

}  // namespace
}  // namespace lamina

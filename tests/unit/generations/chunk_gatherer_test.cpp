#include "actors/generations/chunk_gatherer.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace lamina {
namespace {

constexpr capture_shape shape{3, 2, dtype::float32};
constexpr site_mask two_sites =
    mask_of(site::embed) | mask_of(site::resid_post);

/// What element 0 of a row says: where it belongs.
float mark(std::uint32_t slot, position_t p) {
  return static_cast<float>(100 * slot + p);
}

/// A frame [slot][position][width] of the slots 0 .. slots-1.
std::shared_ptr<const byte_buffer> frame(std::uint32_t slots, position_t begin,
                                         std::uint32_t count) {
  std::vector<float> values;
  for (std::uint32_t s = 0; s < slots; ++s)
    for (position_t p = begin; p < begin + count; ++p) {
      values.push_back(mark(s, p));
      values.push_back(0.5f);
    }
  auto bytes = std::make_shared<byte_buffer>(values.size() * sizeof(float));
  std::memcpy(bytes->data(), values.data(), bytes->size());
  return bytes;
}

float mark_at(const ready_rows& rows, std::uint32_t slot, position_t p) {
  float value;
  std::memcpy(&value, rows.chunk->row(slot, row_in_chunk(p)).data(),
              sizeof value);
  return value;
}

TEST(ChunkGatherer, CutsAFrameIntoChunks) {
  chunk_gatherer gatherer(shape, two_sites);
  EXPECT_EQ(gatherer.position_bytes(), 4 * shape.row_bytes());
  const auto first = gatherer.add(0, 10, frame(4, 0, 10), 0);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].rows.end, 10u);
  const auto second = gatherer.add(10, 30, frame(4, 10, 30), 0);
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0].rows.chunk, first[0].rows.chunk) << "it went on";
  EXPECT_EQ(second[0].rows.end, 16u);
  EXPECT_EQ(second[1].index, 1u);
  EXPECT_EQ(second[2].begin, 32u);
  EXPECT_EQ(second[2].end, 40u);
  for (std::uint32_t slot = 0; slot < 4; ++slot)
    for (position_t p = 0; p < 40; ++p)
      ASSERT_EQ(mark_at(second[chunk_of(p)].rows, slot, p), mark(slot, p));
}

TEST(ChunkGatherer, ASiteThatIsNotBroughtStaysZeroAndIsNotHeld) {
  chunk_gatherer gatherer(shape, mask_of(site::resid_post));
  const auto parts = gatherer.add(0, 16, frame(3, 0, 16), 0);
  EXPECT_FALSE(parts[0].rows.chunk->holds(site::embed));
  EXPECT_TRUE(parts[0].rows.chunk->holds(site::resid_post));
  EXPECT_EQ(mark_at(parts[0].rows, 0, 7), 0);
  EXPECT_EQ(mark_at(parts[0].rows, 1, 7), mark(0, 7)) << "slot 1 is layer 0";
}

TEST(ChunkGatherer, AChunkLacksRowsWhenOnePositionHasNone) {
  chunk_gatherer gatherer(shape, two_sites);
  EXPECT_TRUE(gatherer.add(0, 4, frame(4, 0, 4), 0)[0].rows.chunk);
  EXPECT_FALSE(gatherer.add(4, 1, nullptr, 0)[0].rows.chunk);
  const auto rest = gatherer.add(5, 27, frame(4, 5, 27), 0);
  EXPECT_FALSE(rest[0].rows.chunk) << "rows after a gap do not close it";
  EXPECT_TRUE(rest[1].rows.chunk) << "the next chunk is whole";
}

TEST(ChunkGatherer, AChunkHasTheErrorOfItsWorstFrame) {
  chunk_gatherer gatherer(shape, two_sites);
  gatherer.add(0, 8, frame(4, 0, 8), 0.1f);
  const auto parts = gatherer.add(8, 24, frame(4, 8, 24), 0.05f);
  EXPECT_EQ(parts[0].relative_error, 0.1f);
  EXPECT_EQ(parts[1].relative_error, 0.05f);
}

TEST(ChunkGatherer, RefusesAPayloadOfTheWrongSize) {
  chunk_gatherer gatherer(shape, two_sites);
  const auto right = 3 * gatherer.position_bytes();
  EXPECT_TRUE(gatherer.check(3, right));
  EXPECT_TRUE(gatherer.check(3, 0)) << "no rows at all";
  for (const auto bytes : {right - 1, right + 1, right / 3}) {
    const auto refused = gatherer.check(3, bytes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, error_code::invalid_argument);
  }
}

}  // namespace
}  // namespace lamina

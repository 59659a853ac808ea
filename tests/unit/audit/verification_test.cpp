#include "actors/audit/verification.hpp"

#include <gtest/gtest.h>

#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

constexpr capture_shape shape{11, 24, dtype::bfloat16};

stored_value sample(quality kept = quality::lossless) {
  return encode({sample_name(), site::resid_post, 0}, *walk_chunk(shape), 16,
                kept);
}

TEST(Verification, ASoundValueGivesItsHeaderAndAllItsRows) {
  verification check;
  const auto header = check.verify(sample(), shape);
  ASSERT_TRUE(header) << to_string(header.error());
  EXPECT_EQ(header.value().kept, quality::lossless);
  const auto chunk = walk_chunk(shape);
  const auto slot = slot_of(site::resid_post, 10, shape.layers);
  EXPECT_TRUE(std::ranges::equal(check.rows().last(chunk->rows(slot).size()),
                                 chunk->rows(slot)));
}

TEST(Verification, EveryFlippedBitIsFound) {
  verification check;
  const auto sound = sample(quality::balanced);
  for (std::size_t byte = 0; byte < sound.bytes.size(); byte += 7) {
    auto spoilt = sound;
    spoilt.bytes[byte] ^= std::byte{0x10};
    const auto found = check.verify(spoilt, shape);
    ASSERT_FALSE(found) << "byte " << byte;
    EXPECT_EQ(found.error().code, error_code::corrupt) << "byte " << byte;
  }
}

TEST(Verification, WhatTheStoreNotesBesideTheValueIsHeldAgainstIt) {
  verification check;
  auto fewer = sample();
  fewer.rows = 15;
  EXPECT_FALSE(check.verify(fewer, shape));
  auto better = sample(quality::balanced);
  better.relative_error = 0;
  EXPECT_FALSE(check.verify(better, shape));
}

TEST(Verification, AValueOfAnotherModelsShapeIsCorrupt) {
  verification check;
  EXPECT_FALSE(check.verify(sample(), {11, 24, dtype::float16}));
  EXPECT_FALSE(check.verify(sample(), {12, 24, dtype::bfloat16}));
}

}  // namespace
}  // namespace lamina

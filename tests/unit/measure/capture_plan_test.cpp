// A plan is the sum of its parts, in whole pages.
#include "actors/measure/capture_plan.hpp"

#include <gtest/gtest.h>

#include "actors/codec/codec.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

constexpr capture_shape gpt2{12, 768, dtype::bfloat16};

plan_question question(quality kept = quality::balanced,
                       std::uint64_t tokens = 16'000) {
  plan_question q;
  q.shape = gpt2;
  q.kept = kept;
  q.tokens = tokens;
  q.sizes = default_sizes(gpt2, kept);
  return q;
}

TEST(CapturePlan, IsTheSumOfItsParts) {
  const auto plan = plan_capture(question());
  EXPECT_EQ(plan.disk_bytes,
            plan.value_bytes + plan.lens_bytes + plan.record_bytes);
  EXPECT_EQ(plan.value_bytes % 4096, 0u);
  EXPECT_EQ(plan.lens_bytes % 4096, 0u);
  EXPECT_EQ(plan.raw_bytes, 16'000u * 14 * 768 * 2);
  EXPECT_NEAR(plan.disk_bytes_per_token * 16'000,
              static_cast<double>(plan.disk_bytes), 2);
}

TEST(CapturePlan, AnOpenTailTakesAChunk) {
  EXPECT_EQ(plan_capture(question(quality::small, 17)).disk_bytes,
            plan_capture(question(quality::small, 32)).disk_bytes);
}

TEST(CapturePlan, BelievesWhatWasMeasured) {
  auto q = question();
  q.sizes = {7, 3, 100'000, 106'496};
  EXPECT_EQ(plan_capture(q).value_bytes, 1000u * 106'496);
}

TEST(CapturePlan, LensRecordsAreLeftOutWhenNoneAreKept) {
  auto q = question();
  const auto with = plan_capture(q);
  q.lens_records = false;
  const auto without = plan_capture(q);
  EXPECT_EQ(without.lens_bytes, 0u);
  // 13 records of 96 bytes a position, 32 before them, in pages of 4 KB.
  EXPECT_EQ(with.lens_bytes, 1000u * 5 * 4096);
}

TEST(CapturePlan, SaysHowMuchFits) {
  auto q = question();
  q.disk_bytes_max = 1'000'000'000;
  q.memory_bytes_max = 100'000'000;
  q.speeds = {500e6, 100};
  const auto plan = plan_capture(q);
  EXPECT_NEAR(
      static_cast<double>(plan.tokens_on_disk) * plan.disk_bytes_per_token, 1e9,
      plan.disk_bytes_per_token);
  EXPECT_GT(plan.tokens_in_memory, 0u);
  EXPECT_NEAR(plan.hours_on_disk,
              static_cast<double>(plan.tokens_on_disk) / 360'000, 1e-6);
  EXPECT_DOUBLE_EQ(plan.engine_seconds, 160);
  EXPECT_NEAR(plan.encode_seconds, static_cast<double>(plan.raw_bytes) / 500e6,
              1e-9);
}

TEST(CapturePlan, NothingIsSaidOfWhatIsNotKnown) {
  const auto plan = plan_capture(question());
  EXPECT_EQ(plan.tokens_on_disk, 0u);
  EXPECT_EQ(plan.hours_on_disk, 0);
  EXPECT_EQ(plan.encode_seconds, 0);
}

TEST(CapturePlan, DefaultsAreNearWhatTheCodecMakesOfSuchRows) {
  const auto chunk = walk_chunk(gpt2);
  for (const quality kept : {quality::lossless, quality::high}) {
    const auto values = encode_chunk(sample_name(), *chunk, 16, kept);
    const auto sizes = default_sizes(gpt2, kept);
    double bytes = 0;
    for (const auto& value : values)
      bytes += static_cast<double>(value->bytes.size());
    EXPECT_EQ(sizes.values, static_cast<double>(values.size()));
    EXPECT_NEAR(sizes.value_bytes / bytes, 1, 0.25) << to_string(kept);
  }
}

}  // namespace
}  // namespace lamina

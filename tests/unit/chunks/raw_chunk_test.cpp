#include "actors/chunks/raw_chunk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lamina {
namespace {

float widened(std::uint16_t bits, dtype element) {
  float out = 0;
  widen_row(std::as_bytes(std::span(&bits, 1)), element, std::span(&out, 1));
  return out;
}

TEST(RawChunk, IsAlignedZeroedAndSizedBySlots) {
  const raw_chunk chunk({.layers = 3, .width = 8, .element = dtype::bfloat16},
                        32);
  EXPECT_EQ(chunk.bytes(), 5u * 16 * 8 * 2);
  EXPECT_EQ(chunk.first(), 32u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(chunk.row(0, 0).data()) % 64, 0u);
  for (std::uint32_t slot = 0; slot < 5; ++slot)
    EXPECT_TRUE(std::ranges::all_of(
        chunk.rows(slot), [](std::byte b) { return b == std::byte{0}; }));
}

TEST(RawChunk, RowsOfASlotAreContiguous) {
  raw_chunk chunk({.layers = 2, .width = 4, .element = dtype::float32}, 0);
  std::ranges::fill(chunk.row(2, 15), std::byte{0xab});
  const auto rows = chunk.rows(2);
  EXPECT_EQ(rows.size(), 16u * 16);
  EXPECT_EQ(rows[15 * 16 - 1], std::byte{0});
  EXPECT_EQ(rows[15 * 16], std::byte{0xab});
  EXPECT_EQ(chunk.row(3, 0)[0], std::byte{0});
}

TEST(RawChunk, RowsMayLieInFramesThatItKeeps) {
  constexpr capture_shape shape{
      .layers = 2, .width = 4, .element = dtype::bfloat16};
  raw_chunk made(shape, 16,
                 mask_of(site::resid_post) | mask_of(site::final_norm));
  const raw_chunk& chunk = made;
  // Three slots of five rows each, of which the chunk takes rows 1 to 4.
  auto frame = std::make_shared<std::vector<std::byte>>(3 * 5 * 8);
  for (std::size_t i = 0; i < frame->size(); ++i)
    (*frame)[i] = static_cast<std::byte>(i / 8);
  made.lay(6, 10, frame->data() + 8, 5 * 8, frame);
  const std::weak_ptr<const void> kept = frame;
  frame.reset();
  EXPECT_EQ(chunk.row(1, 6)[0], std::byte{1}) << "layer 0 is the first slot";
  EXPECT_EQ(chunk.row(1, 9)[7], std::byte{4});
  EXPECT_EQ(chunk.row(2, 6)[0], std::byte{6});
  EXPECT_EQ(chunk.row(3, 9)[0], std::byte{14}) << "final_norm";
  EXPECT_EQ(chunk.row(0, 6).size(), 8u);
  EXPECT_EQ(chunk.row(0, 6)[0], std::byte{0}) << "embed is not held";
  EXPECT_EQ(chunk.bytes(), 3u * 16 * 8);
  EXPECT_FALSE(kept.expired());
  made.lay(6, 10, nullptr, 0, nullptr);
  EXPECT_TRUE(kept.expired());
}

TEST(RawChunk, SlotsStartWithTheEmbeddingAndEndWithTheFinalNorm) {
  EXPECT_EQ(slot_of(site::embed, 0, 8), 0u);
  EXPECT_EQ(slot_of(site::resid_post, 0, 8), 1u);
  EXPECT_EQ(slot_of(site::resid_post, 7, 8), 8u);
  EXPECT_EQ(slot_of(site::final_norm, 0, 8), 9u);
}

TEST(WidenRow, CopiesFloat32Exactly) {
  const float in[] = {1.5f, -0.0f, 3e-42f, 1e38f};
  float out[4];
  widen_row(std::as_bytes(std::span(in)), dtype::float32, out);
  EXPECT_EQ(std::memcmp(in, out, sizeof in), 0);
}

TEST(WidenRow, WidensBfloat16) {
  EXPECT_EQ(widened(0x3f80, dtype::bfloat16), 1.0f);
  EXPECT_EQ(widened(0xc049, dtype::bfloat16), -3.140625f);
  EXPECT_EQ(widened(0x0001, dtype::bfloat16), 0x1p-133f);
  EXPECT_TRUE(std::isinf(widened(0x7f80, dtype::bfloat16)));
}

TEST(WidenRow, WidensFloat16) {
  EXPECT_EQ(widened(0x3c00, dtype::float16), 1.0f);
  EXPECT_EQ(widened(0xc248, dtype::float16), -3.140625f);
  EXPECT_EQ(widened(0x7bff, dtype::float16), 65504.0f);
  EXPECT_EQ(widened(0x0400, dtype::float16), 0x1p-14f);
  EXPECT_EQ(widened(0x0001, dtype::float16), 0x1p-24f);
  EXPECT_EQ(widened(0x83ff, dtype::float16), -1023 * 0x1p-24f);
  EXPECT_TRUE(std::signbit(widened(0x8000, dtype::float16)));
  EXPECT_EQ(widened(0xfc00, dtype::float16),
            -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(widened(0x7e00, dtype::float16)));
}

}  // namespace
}  // namespace lamina

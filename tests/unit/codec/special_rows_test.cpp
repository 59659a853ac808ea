// Rows that no model should make, and some do.
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "actors/codec/codec.hpp"
#include "tests/unit/codec/row_errors.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

constexpr quality qualities[] = {quality::raw, quality::lossless, quality::high,
                                 quality::balanced, quality::small};
constexpr dtype dtypes[] = {dtype::float32, dtype::bfloat16, dtype::float16};

/// Some row of a sample chunk replaced by `bits`, repeated.
std::shared_ptr<raw_chunk> with_row(const capture_shape& shape,
                                    std::uint32_t slot, std::uint32_t row,
                                    std::span<const std::uint32_t> bits) {
  const auto sample = walk_chunk(shape);
  auto chunk = std::make_shared<raw_chunk>(shape, 0);
  std::memcpy(chunk->row(0, 0).data(), sample->rows(0).data(), chunk->bytes());
  const std::size_t size = size_of(shape.element);
  for (std::size_t c = 0; c < shape.width; ++c)
    std::memcpy(chunk->row(slot, row).data() + c * size, &bits[c % bits.size()],
                size);
  return chunk;
}

raw_chunk_ptr round_trip(const raw_chunk& chunk, quality q) {
  const auto values = encode_chunk(sample_name(), chunk, 16, q);
  for (const auto& value : values) {
    EXPECT_LE(value->bytes.size(),
              16 * chunk.shape().layers * chunk.shape().row_bytes() + 1024);
  }
  auto back = decode_slots(sample_name(), chunk.shape(), 0, values);
  EXPECT_TRUE(back.has_value());
  return back.value();
}

bool same_rows(const raw_chunk& a, const raw_chunk& b, std::uint32_t row) {
  for (std::uint32_t slot = 1; slot <= a.shape().layers; ++slot)
    if (!std::ranges::equal(a.row(slot, row), b.row(slot, row))) return false;
  return true;
}

// Bits of the dtypes: quiet and signalling NaNs with payloads, infinities, both
// zeros, the smallest and largest denormals and normals, and ordinary ones.
std::vector<std::uint32_t> special_bits(dtype t) {
  if (t == dtype::float32)
    return {0x7fc00001, 0xff812345, 0x7f800000, 0xff800000, 0,
            0x80000000, 1,          0x807fffff, 0x00800000, 0x7f7fffff,
            0xff7fffff, 0x3f800001, 0xbf99999a};
  if (t == dtype::bfloat16)
    return {0x7fc1, 0xff81, 0x7f80, 0xff80, 0,      0x8000,
            1,      0x807f, 0x0080, 0x7f7f, 0x3f81, 0xbf9a};
  return {0x7e01, 0xfc12, 0x7c00, 0xfc00, 0,      0x8000,
          1,      0x83ff, 0x0400, 0x7bff, 0x3c01, 0xbc9a};
}

TEST(SpecialRows, AreExactInEveryQualityWhereTheyAreNotFinite) {
  for (const dtype t : dtypes)
    for (const std::uint32_t width : {13u, 192u, 2055u})
      for (const quality q : qualities) {
        const auto chunk = with_row({9, width, t}, 4, 2, special_bits(t));
        const auto back = round_trip(*chunk, q);
        // The row's whole key group is kept exactly, other rows as asked.
        for (std::uint32_t slot = 1; slot <= 8; ++slot)
          EXPECT_TRUE(
              std::ranges::equal(chunk->row(slot, 2), back->row(slot, 2)))
              << to_string(q) << ", " << to_string(t) << ", slot " << slot;
        EXPECT_EQ(same_rows(*chunk, *back, 3), !is_lossy(q));
      }
}

TEST(SpecialRows, EverySpecialBitPatternIsExactWhenLossless) {
  for (const dtype t : {dtype::bfloat16, dtype::float16}) {
    const capture_shape shape{2, 4096, t};
    raw_chunk chunk(shape, 0);
    std::uint32_t pattern = 0;
    for (std::uint32_t row = 0; row < 16; ++row)
      for (std::uint32_t c = 0; c < 4096; ++c, ++pattern)
        for (std::uint32_t slot : {1u, 2u}) {
          const auto bits = static_cast<std::uint16_t>(
              slot == 1 ? pattern : pattern * 40503u);
          std::memcpy(chunk.row(slot, row).data() + 2 * c, &bits, 2);
        }
    const auto back = round_trip(chunk, quality::lossless);
    for (std::uint32_t row = 0; row < 16; ++row)
      EXPECT_TRUE(same_rows(chunk, *back, row));
  }
}

TEST(SpecialRows, ZerosStayZerosAndConstantsStayWithinBounds) {
  for (const dtype t : dtypes)
    for (const quality q : qualities) {
      const std::uint32_t zero[] = {0};
      const auto zeros = with_row({3, 100, t}, 2, 5, zero);
      const auto back = round_trip(*zeros, q);
      EXPECT_TRUE(std::ranges::equal(zeros->row(2, 5), back->row(2, 5)))
          << to_string(q);
      const std::uint32_t one[] = {t == dtype::float32    ? 0x40490fdbu
                                   : t == dtype::bfloat16 ? 0x4049u
                                                          : 0x4248u};
      const auto constant = with_row({3, 100, t}, 1, 5, one);
      const auto kept = round_trip(*constant, q);
      EXPECT_LE(true_errors(*constant, *kept, 16).row, bounds_of(q).row);
    }
}

TEST(SpecialRows, AllZeroChunksRoundTrip) {
  for (const quality q : qualities) {
    const raw_chunk chunk({8, 256, dtype::bfloat16}, 0);
    const auto back = round_trip(chunk, q);
    for (std::uint32_t row = 0; row < 16; ++row)
      EXPECT_TRUE(same_rows(chunk, *back, row)) << to_string(q);
  }
}

// Rows too small or large for steps, of one number only, and of denormals.
TEST(SpecialRows, ExtremeMagnitudesStayWithinBounds) {
  for (const float scale : {1e-44f, 1e-38f, 1e-20f, 1e20f, 1e38f})
    for (const quality q : qualities) {
      std::vector<std::uint32_t> bits;
      for (int i = 0; i < 64; ++i)
        bits.push_back(std::bit_cast<std::uint32_t>(
            scale * static_cast<float>(i % 7 - 3)));
      const auto chunk = with_row({4, 64, dtype::float32}, 3, 0, bits);
      const auto back = round_trip(*chunk, q);
      EXPECT_LE(true_errors(*chunk, *back, 16).row, bounds_of(q).row)
          << to_string(q) << " at " << scale;
    }
}

TEST(SpecialRows, OneNumberAmongZerosKeepsItsPlace) {
  for (const quality q : qualities) {
    std::vector<std::uint32_t> bits(300);
    bits[123] = 0x42f6;  // 123 in bfloat16
    const auto chunk = with_row({4, 300, dtype::bfloat16}, 2, 7, bits);
    const auto back = round_trip(*chunk, q);
    EXPECT_LE(true_errors(*chunk, *back, 16).row, bounds_of(q).row);
    EXPECT_LE(true_errors(*chunk, *back, 16).ordinary, bounds_of(q).ordinary);
  }
}

TEST(SpecialRows, Float16StaysFiniteAtItsLimits) {
  for (const quality q : qualities) {
    const std::uint32_t bits[] = {0x7bff, 0xfbff, 0x7bff, 0x7800};
    const auto chunk = with_row({3, 200, dtype::float16}, 1, 0, bits);
    const auto back = round_trip(*chunk, q);
    for (const float x : floats_of(*back, 1, 0))
      EXPECT_TRUE(std::isfinite(x));
    EXPECT_LE(true_errors(*chunk, *back, 16).row, bounds_of(q).row);
  }
}

}  // namespace
}  // namespace lamina

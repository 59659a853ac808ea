// What the lossy qualities promise: bounds, declared errors, access by part.
#include <gtest/gtest.h>

#include "actors/codec/codec.hpp"
#include "actors/codec/value_format.hpp"
#include "tests/unit/codec/row_errors.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

constexpr quality lossy[] = {quality::high, quality::balanced, quality::small};
constexpr dtype dtypes[] = {dtype::float32, dtype::bfloat16, dtype::float16};

TEST(Quality, NamesComeBack) {
  for (const quality q : {quality::raw, quality::lossless, quality::high,
                          quality::balanced, quality::small})
    EXPECT_EQ(quality_named(to_string(q)), q);
  EXPECT_FALSE(quality_named("best").has_value());
  EXPECT_FALSE(quality_named("unknown").has_value());
  EXPECT_EQ(to_string(static_cast<quality>(9)), "unknown");
}

TEST(Quality, BoundsHoldAndDeclaredErrorsAreNotBelowTrueOnes) {
  for (const dtype t : dtypes)
    for (const capture_shape shape :
         {capture_shape{9, 192, t}, {1, 2051, t}, {17, 37, t}})
      for (const quality q : lossy) {
        const auto chunk = walk_chunk(shape);
        std::vector<stored_value_ptr> values;
        row_errors declared;
        for (const auto& key :
             value_keys(sample_name(), site::resid_post, shape)) {
          values.push_back(
              std::make_shared<const stored_value>(encode(key, *chunk, 16, q)));
          declared.include(check(key, values.back()->bytes).value().errors);
        }
        const auto back = decode_slots(sample_name(), shape, 0, values);
        ASSERT_TRUE(back.has_value());
        const row_errors true_ones = true_errors(*chunk, *back.value(), 16);
        SCOPED_TRACE(std::string(to_string(q)) + ", " +
                     std::string(to_string(t)) + ", width " +
                     std::to_string(shape.width));
        EXPECT_LE(true_ones.row, declared.row);
        EXPECT_LE(true_ones.ordinary, declared.ordinary);
        EXPECT_LE(true_ones.largest, declared.largest * 1.001f);
        EXPECT_LE(declared.row, bounds_of(q).row);
        EXPECT_LE(declared.ordinary, bounds_of(q).ordinary);
        // ... and are close: a declared error far above would be no use.
        EXPECT_GT(true_ones.row * 1.01f, declared.row);
        EXPECT_GT(declared.row, 0);
      }
}

TEST(Quality, OutlierChannelsDoNotEraseTheOthers) {
  const capture_shape shape{8, 4096, dtype::bfloat16};
  const auto chunk = walk_chunk(shape);
  auto massive = std::make_shared<raw_chunk>(shape, 0);
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
    for (std::uint32_t row = 0; row < chunk_positions; ++row) {
      std::ranges::copy(chunk->row(slot, row), massive->row(slot, row).begin());
      const std::uint16_t large = 0x44fa;  // 2000 in bfloat16
      for (const std::size_t channel : {7u, 1415u, 2533u})
        std::memcpy(massive->row(slot, row).data() + 2 * channel, &large, 2);
    }
  for (const quality q : lossy) {
    const auto values = encode_chunk(sample_name(), *massive, 16, q);
    const auto back = decode_slots(sample_name(), shape, 0, values);
    ASSERT_TRUE(back.has_value());
    const row_errors errors = true_errors(*massive, *back.value(), 16);
    EXPECT_LE(errors.ordinary, bounds_of(q).ordinary) << to_string(q);
    EXPECT_LE(errors.row, bounds_of(q).row) << to_string(q);
    EXPECT_GT(errors.ordinary, errors.row * 2) << to_string(q);
  }
}

TEST(Quality, LowerOnesTakeFewerBytes) {
  const auto chunk = walk_chunk({8, 1024, dtype::bfloat16});
  std::size_t last = chunk->bytes() * 2;
  for (const quality q : {quality::raw, quality::lossless, quality::high,
                          quality::balanced, quality::small}) {
    const auto value =
        encode({sample_name(), site::resid_post, 0}, *chunk, 16, q);
    EXPECT_LT(value.bytes.size(), last) << to_string(q);
    last = value.bytes.size();
  }
}

std::vector<std::byte> part_of(const stored_value& value,
                               const stored_part& part) {
  const auto header = check(value.key, value.bytes).value();
  std::vector<std::byte> out((part.layer_end - part.layer_begin) *
                             (part.row_end - part.row_begin) *
                             header.shape.row_bytes());
  EXPECT_TRUE(decode_part(header, value.bytes, part, out).has_value());
  return out;
}

TEST(Quality, EveryPartDecodesToWhatTheWholeDoes) {
  for (const dtype t : dtypes)
    for (const quality q : {quality::lossless, quality::high, quality::small}) {
      const capture_shape shape{19, 45, t};  // three key groups, the last of 3
      const auto value = encode({sample_name(), site::resid_post, 0},
                                *walk_chunk(shape), 5, q);
      const auto whole = part_of(value, {0, 19, 0, 5});
      const std::size_t row = shape.row_bytes();
      for (std::uint32_t layer = 0; layer < 19; ++layer) {
        const auto begin = whole.begin() + static_cast<long>(layer * 5 * row);
        EXPECT_TRUE(std::ranges::equal(part_of(value, {layer, layer + 1, 0, 5}),
                                       std::span(begin, 5 * row)));
        EXPECT_TRUE(std::ranges::equal(
            part_of(value, {layer, layer + 1, 3, 4}),
            std::span(begin + static_cast<long>(3 * row), row)));
      }
      const auto middle = part_of(value, {6, 17, 2, 3});
      for (std::uint32_t i = 0; i < 11; ++i)
        EXPECT_TRUE(std::ranges::equal(
            std::span(middle).subspan(i * row, row),
            std::span(whole).subspan(((6 + i) * 5 + 2) * row, row)));
      EXPECT_TRUE(part_of(value, {4, 4, 0, 5}).empty());
    }
}

TEST(Quality, LayersNeedOnlyTheirOwnKeyGroup) {
  const capture_shape shape{24, 64, dtype::bfloat16};
  const auto value = encode({sample_name(), site::resid_post, 0},
                            *walk_chunk(shape), 4, quality::balanced);
  const auto header = check(value.key, value.bytes).value();
  const auto expected = part_of(value, {8, 16, 0, 4});
  auto damaged = value.bytes;
  const std::size_t second =
      groups_begin(3) + group_of(header, value.bytes, 0).value().size();
  const std::size_t third =
      second + group_of(header, value.bytes, 1).value().size();
  for (std::size_t i = groups_begin(3); i < damaged.size(); ++i)
    if (i < second || i >= third) damaged[i] ^= std::byte{0x55};
  std::vector<std::byte> out(expected.size());
  ASSERT_TRUE(decode_part(header, damaged, {8, 16, 0, 4}, out).has_value());
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace lamina

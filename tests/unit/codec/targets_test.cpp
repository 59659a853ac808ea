// The same bytes give the same rows on every instruction set.
#include <gtest/gtest.h>

#include "actors/codec/codec.hpp"
#include "tests/unit/codec/sample_chunk.hpp"
#include "tests/unit/codec/targets.hpp"

namespace lamina {
namespace {

constexpr quality qualities[] = {quality::raw, quality::lossless, quality::high,
                                 quality::balanced, quality::small};

std::vector<std::byte> slots_of(const raw_chunk& chunk) {
  const auto rows = chunk.rows(0);
  return {rows.data(), rows.data() + chunk.bytes()};
}

TEST(Targets, DecodeTheSameBytesToTheSameRows) {
  for (const dtype t : {dtype::bfloat16, dtype::float16, dtype::float32})
    for (const std::uint32_t width : {61u, 192u, 2051u})
      for (const quality q : qualities) {
        const capture_shape shape{9, width, t};
        const auto values =
            encode_chunk(sample_name(), *sample_chunk(shape), 3, q);
        const auto expected = decode_slots(sample_name(), shape, 0, values);
        ASSERT_TRUE(expected.has_value());
        on_every_target([&](const char* target) {
          const auto rows = decode_slots(sample_name(), shape, 0, values);
          ASSERT_TRUE(rows.has_value());
          EXPECT_EQ(slots_of(*rows.value()), slots_of(*expected.value()))
              << target << ", " << to_string(q) << ", width " << width;
        });
      }
}

TEST(Targets, ReadWhatAnyOtherWrote) {
  const capture_shape shape{8, 2051, dtype::bfloat16};
  const auto chunk = sample_chunk(shape);
  for (const quality q : qualities)
    on_every_target([&](const char* writer) {
      const auto values = encode_chunk(sample_name(), *chunk, 2, q);
      const auto expected = decode_slots(sample_name(), shape, 0, values);
      ASSERT_TRUE(expected.has_value()) << writer;
      on_every_target([&](const char* reader) {
        const auto rows = decode_slots(sample_name(), shape, 0, values);
        ASSERT_TRUE(rows.has_value()) << writer << " to " << reader;
        EXPECT_EQ(slots_of(*rows.value()), slots_of(*expected.value()))
            << writer << " to " << reader << ", " << to_string(q);
      });
      hwy::SetSupportedTargetsForTest(0);
    });
}

}  // namespace
}  // namespace lamina

#include "actors/codec/block_codec.hpp"

#include <gmock/gmock.h>

#include <random>

namespace lamina {
namespace {

using testing::ElementsAre;

std::vector<std::byte> bytes_of(std::initializer_list<int> numbers) {
  std::vector<std::byte> bytes;
  for (const int n : numbers)
    bytes.push_back(static_cast<std::byte>(n));
  return bytes;
}

std::vector<std::byte> block_of(std::span<const std::byte> rows, dtype t,
                                bool shrink) {
  std::vector<std::byte> block;
  append_block(rows, t, shrink, block);
  return block;
}

TEST(Block, RawIsATagAndTheRows) {
  const auto rows = bytes_of({1, 2, 3, 4});
  EXPECT_EQ(block_of(rows, dtype::bfloat16, false), bytes_of({0, 1, 2, 3, 4}));
}

TEST(Block, ShortRowsThatPlanesWouldGrowStayRaw) {
  const auto rows = bytes_of({1, 2, 3, 4});
  EXPECT_EQ(block_of(rows, dtype::bfloat16, true), bytes_of({0, 1, 2, 3, 4}));
}

TEST(Block, PlanesHoldExponentsFirstAndSignsLast) {
  // 64 times -1.5 in bfloat16, 0xbfc0: exponent 0x7f; fraction 0x40 and the
  // sign make 0x81. Both planes shrink to the same few bytes of zstd.
  std::vector<std::byte> rows;
  for (int i = 0; i < 64; ++i) {
    rows.push_back(std::byte{0xc0});
    rows.push_back(std::byte{0xbf});
  }
  const auto block = block_of(rows, dtype::bfloat16, true);
  EXPECT_EQ(block[0], std::byte{1});
  EXPECT_LT(block.size(), 60u);
  // Without zstd: planes as long as the elements are kept as they are.
  auto plain = bytes_of({1, 2, 0, 0, 0, 2, 0, 0, 0, 0x7f, 0x7f, 0x81, 0x80});
  std::vector<std::byte> out(4);
  ASSERT_TRUE(decode_block(plain, dtype::bfloat16, {2, 0, 2}, out).has_value());
  EXPECT_EQ(out, bytes_of({0xc0, 0xbf, 0xc0, 0x3f}));
}

TEST(Block, DecodesAnyRangeOfElements) {
  std::vector<std::byte> rows;
  for (int i = 0; i < 200; ++i) {
    rows.push_back(static_cast<std::byte>(i * 37));
    rows.push_back(static_cast<std::byte>(0x3f + i % 3));
  }
  for (const bool shrink : {false, true}) {
    const auto block = block_of(rows, dtype::bfloat16, shrink);
    for (const auto& [begin, end] :
         {std::pair<std::size_t, std::size_t>{0, 200},
          {17, 18},
          {199, 200},
          {5, 5}}) {
      std::vector<std::byte> out((end - begin) * 2);
      ASSERT_TRUE(decode_block(block, dtype::bfloat16, {200, begin, end}, out));
      EXPECT_TRUE(std::equal(out.begin(), out.end(),
                             rows.begin() + static_cast<long>(begin) * 2));
    }
  }
}

TEST(Block, AppendsAfterWhatIsThere) {
  auto block = bytes_of({9});
  append_block(bytes_of({1, 2}), dtype::float16, true, block);
  EXPECT_EQ(block, bytes_of({9, 0, 1, 2}));
}

TEST(Block, RejectsWhatCannotBeABlock) {
  std::vector<std::byte> out(4);
  const auto code_of = [&out](const std::vector<std::byte>& block) {
    const auto decoded = decode_block(block, dtype::bfloat16, {2, 0, 2}, out);
    return decoded.has_error() ? decoded.error().code : error_code{};
  };
  EXPECT_EQ(code_of({}), error_code::corrupt);
  EXPECT_EQ(code_of(bytes_of({0, 1, 2, 3})), error_code::corrupt);
  EXPECT_EQ(code_of(bytes_of({2, 1, 2, 3, 4})), error_code::corrupt);
  EXPECT_EQ(code_of(bytes_of({1, 2, 0, 0, 0})), error_code::corrupt);
  // a plane longer than the block, one longer than its elements, one that
  // is no zstd frame, and a byte too many
  EXPECT_EQ(code_of(bytes_of({1, 2, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3})),
            error_code::corrupt);
  EXPECT_EQ(code_of(bytes_of({1, 3, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4})),
            error_code::corrupt);
  EXPECT_EQ(code_of(bytes_of({1, 1, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3})),
            error_code::corrupt);
  EXPECT_EQ(code_of(bytes_of({1, 2, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5})),
            error_code::corrupt);
}

TEST(Block, RandomBytesNeverCrash) {
  std::mt19937 random(5);
  std::vector<std::byte> rows(400);
  for (auto& byte : rows)
    byte = static_cast<std::byte>(random() % 3);
  const auto block = block_of(rows, dtype::float32, true);
  ASSERT_EQ(block[0], std::byte{1});
  std::vector<std::byte> out(400);
  for (int round = 0; round < 20'000; ++round) {
    auto mutated = block;
    for (int i = 0; i < 4; ++i)
      mutated[random() % mutated.size()] = static_cast<std::byte>(random());
    mutated.resize(random() % (mutated.size() + 1));
    const auto decoded =
        decode_block(mutated, dtype::float32, {100, 0, 100}, out);
    if (decoded.has_error()) {
      EXPECT_EQ(decoded.error().code, error_code::corrupt);
    }
  }
}

}  // namespace
}  // namespace lamina

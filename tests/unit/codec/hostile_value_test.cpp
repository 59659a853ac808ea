// Stored values that are not what they claim: damaged, cut off, of another
// key, or lying under a checksum that holds.
#include <gmock/gmock.h>
#include <xxhash.h>

#include <random>

#include "actors/codec/codec.hpp"
#include "actors/codec/value_format.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

using testing::HasSubstr;

value_key sample_key() {
  return {sample_name(), site::resid_post, 0};
}

stored_value sample_value() {
  return encode(sample_key(), *sample_chunk({4, 48, dtype::bfloat16}), 5,
                codec_id::lossless);
}

error_code code_of(std::span<const std::byte> bytes) {
  const auto header = check(sample_key(), bytes);
  return header.has_error() ? header.error().code : error_code{};
}

/// Writes `number` into a copy and makes the checksum right again.
template <class T>
std::vector<std::byte> lying(std::size_t at, T number) {
  auto bytes = sample_value().bytes;
  std::memcpy(bytes.data() + at, &number, sizeof number);
  seal_value(sample_key(), bytes);
  return bytes;
}

/// Decodes every layer; any outcome but a crash will do.
void decode_all(const stored_header& header, std::span<const std::byte> bytes) {
  std::vector<std::byte> out(header.rows * header.shape.row_bytes());
  for (std::uint32_t i = 0; i < header.layers; ++i) {
    const auto decoded = decode_rows(header, bytes, header.key.first_layer + i,
                                     0, header.rows, out);
    if (decoded.has_error()) {
      EXPECT_EQ(decoded.error().code, error_code::corrupt);
    }
  }
}

TEST(HostileValue, EveryFlippedBitIsCorrupt) {
  auto bytes = sample_value().bytes;
  ASSERT_EQ(code_of(bytes), error_code{});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1u << bit % 8);
    bytes[bit / 8] ^= mask;
    ASSERT_EQ(code_of(bytes), error_code::corrupt) << "bit " << bit;
    bytes[bit / 8] ^= mask;
  }
}

TEST(HostileValue, EveryTruncationIsCorrupt) {
  const auto bytes = sample_value().bytes;
  for (std::size_t length = 0; length < bytes.size(); ++length)
    ASSERT_EQ(code_of(std::span(bytes).first(length)), error_code::corrupt);
  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_EQ(code_of(longer), error_code::corrupt);
}

TEST(HostileValue, SoundValueUnderAnotherKeySaysWhoseItIs) {
  const auto value = sample_value();
  for (const value_key& other :
       {value_key{sample_name(1), site::resid_post, 0},
        value_key{sample_name(), site::embed, 0},
        value_key{sample_name(), site::resid_post, 1}}) {
    const auto header = check(other, value.bytes);
    ASSERT_TRUE(header.has_error());
    EXPECT_EQ(header.error().code, error_code::corrupt);
    EXPECT_THAT(header.error().context, HasSubstr(to_string(sample_name())));
  }
}

TEST(HostileValue, KeyIsPartOfTheChecksum) {
  auto bytes = sample_value().bytes;
  const std::uint64_t of_body =
      XXH3_64bits(bytes.data() + 16, bytes.size() - 16);
  EXPECT_NE(value_checksum(sample_key(), bytes), of_body);
  EXPECT_NE(value_checksum(sample_key(), bytes),
            value_checksum({sample_name(1), site::resid_post, 0}, bytes));
}

TEST(HostileValue, NewerVersionIsToldFromDamage) {
  EXPECT_EQ(code_of(lying(4, std::uint16_t{2})),
            error_code::unsupported_version);
  EXPECT_EQ(code_of(lying(4, std::uint16_t{0})), error_code::corrupt);
}

TEST(HostileValue, LyingHeadersAreCorrupt) {
  EXPECT_EQ(code_of(lying(6, std::uint8_t{9})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(7, std::uint8_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(16, std::uint8_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(32, std::uint8_t{1})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(33, std::uint8_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(33, std::uint8_t{17})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(36, std::uint16_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(36, std::uint16_t{5})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(38, std::uint16_t{1})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(40, std::uint32_t{3})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(40, 0xffffffffu)), error_code::corrupt);
  EXPECT_EQ(code_of(lying(44, std::uint32_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(44, 0xffffffffu)), error_code::corrupt);
  EXPECT_EQ(code_of(lying(48, -1.0f)), error_code::corrupt);
  EXPECT_EQ(code_of(lying(52, std::uint32_t{1})), error_code::corrupt);
}

TEST(HostileValue, LyingOffsetsAreCorrupt) {
  const std::size_t size = sample_value().bytes.size();
  for (std::uint32_t i = 0; i <= 4; ++i)
    for (const std::size_t offset :
         {std::size_t{0}, size + 1, std::size_t{0xffffffff}})
      EXPECT_EQ(code_of(lying(56 + 4 * i, static_cast<std::uint32_t>(offset))),
                error_code::corrupt)
          << "offset " << i;
}

TEST(HostileValue, OffsetsAreCheckedAgainWhenDecoding) {
  const auto header = check(sample_key(), sample_value().bytes).value();
  decode_all(header, lying(60, 0xfffffff0u));
  decode_all(header, lying(60, std::uint32_t{3}));
  decode_all(header, std::vector<std::byte>(80));
  decode_all(header, {});
}

TEST(HostileValue, RandomChangesUnderARightChecksumNeverCrash) {
  const auto sound = sample_value().bytes;
  std::mt19937 random(11);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = sound;
    // Every other round leaves the header alone, so that blocks are reached.
    const std::size_t from = round % 2 == 0 ? 0 : blocks_begin(4);
    for (int i = 0; i < 3; ++i)
      bytes[from + random() % (bytes.size() - from)] =
          static_cast<std::byte>(random());
    if (round % 5 == 0) bytes.resize(16 + random() % (bytes.size() - 16));
    seal_value(sample_key(), bytes);
    const auto header = check(sample_key(), bytes);
    if (header.has_error()) continue;
    ++accepted;
    decode_all(header.value(), bytes);
  }
  EXPECT_GT(accepted, 5'000);
}

TEST(HostileValue, RandomBytesAreCorrupt) {
  std::mt19937 random(12);
  for (int round = 0; round < 5'000; ++round) {
    std::vector<std::byte> bytes(random() % 300);
    for (auto& byte : bytes)
      byte = static_cast<std::byte>(random());
    ASSERT_EQ(code_of(bytes), error_code::corrupt);
  }
}

}  // namespace
}  // namespace lamina

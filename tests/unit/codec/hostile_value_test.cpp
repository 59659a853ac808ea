// Stored values that are not what they claim: damaged, cut off, of another
// key, or lying under a checksum that holds.
#include <gmock/gmock.h>
#include <xxhash.h>

#include <limits>
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
  return encode(sample_key(), *walk_chunk({11, 48, dtype::bfloat16}), 5,
                quality::balanced);
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

TEST(HostileValue, OtherVersionsAreToldFromDamage) {
  EXPECT_EQ(code_of(lying(4, std::uint16_t{3})),
            error_code::unsupported_version);
  EXPECT_EQ(code_of(lying(4, std::uint16_t{1})),
            error_code::unsupported_version);
  EXPECT_EQ(code_of(lying(4, std::uint16_t{0})), error_code::corrupt);
  const auto older = check(sample_key(), lying(4, std::uint16_t{1}));
  EXPECT_THAT(older.error().context, HasSubstr("older"));
}

TEST(HostileValue, LyingHeadersAreCorrupt) {
  EXPECT_EQ(code_of(lying(6, std::uint8_t{9})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(7, std::uint8_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(16, std::uint8_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(32, std::uint8_t{1})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(33, std::uint8_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(33, std::uint8_t{17})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(36, std::uint16_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(36, std::uint16_t{12})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(39, std::uint8_t{1})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(38, std::uint8_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(38, std::uint8_t{255})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(40, std::uint32_t{3})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(40, 0xffffffffu)), error_code::corrupt);
  EXPECT_EQ(code_of(lying(44, std::uint32_t{0})), error_code::corrupt);
  EXPECT_EQ(code_of(lying(44, 0xffffffffu)), error_code::corrupt);
  EXPECT_EQ(code_of(lying(48, -1.0f)), error_code::corrupt);
  EXPECT_EQ(code_of(lying(52, std::numeric_limits<float>::quiet_NaN())),
            error_code::corrupt);
  EXPECT_EQ(code_of(lying(56, std::numeric_limits<float>::infinity())),
            error_code::corrupt);
  EXPECT_EQ(code_of(lying(60, std::uint32_t{1})), error_code::corrupt);
  auto exact = encode(sample_key(), *walk_chunk({4, 48, dtype::bfloat16}), 5,
                      quality::lossless)
                   .bytes;
  exact[64] = std::byte{1};  // only lossy values name a code book
  seal_value(sample_key(), exact);
  EXPECT_EQ(code_of(exact), error_code::corrupt);
}

TEST(HostileValue, LyingOffsetsAreCorrupt) {
  const std::size_t size = sample_value().bytes.size();
  for (std::uint32_t i = 0; i <= 2; ++i)
    for (const std::size_t offset :
         {std::size_t{0}, size + 1, std::size_t{0xffffffff}})
      EXPECT_EQ(code_of(lying(72 + 4 * i, static_cast<std::uint32_t>(offset))),
                error_code::corrupt)
          << "offset " << i;
}

TEST(HostileValue, OffsetsAreCheckedAgainWhenDecoding) {
  const auto header = check(sample_key(), sample_value().bytes).value();
  decode_all(header, lying(76, 0xfffffff0u));
  decode_all(header, lying(76, std::uint32_t{3}));
  decode_all(header, std::vector<std::byte>(80));
  decode_all(header, {});
  // Offsets of rows, which only decoding looks at.
  const std::uint32_t rows_at = groups_begin(2);
  for (const std::uint32_t offset : {0u, 3u, 0xfffffff0u, 0xffffffffu})
    for (std::uint32_t i = 0; i <= 5; ++i) {
      const auto bytes = lying(rows_at + 4 * i, offset);
      std::vector<std::byte> out(5 * header.shape.row_bytes());
      const auto rows = decode_rows(header, bytes, 0, 0, 5, out);
      ASSERT_TRUE(rows.has_error());
      EXPECT_EQ(rows.error().code, error_code::corrupt);
    }
}

/// Changes `sound` in all sorts of ways and decodes what passes the checks.
int mutate(const stored_value& sound, unsigned seed, int rounds) {
  std::mt19937 random(seed);
  int accepted = 0;
  for (int round = 0; round < rounds; ++round) {
    auto bytes = sound.bytes;
    // Most rounds leave the header alone, so that rows are reached.
    const std::size_t from = round % 4 == 0 ? 0 : value_header_bytes;
    for (int i = 0; i < 1 + round % 3; ++i) {
      auto& byte = bytes[from + random() % (bytes.size() - from)];
      byte = round % 2 == 0 ? static_cast<std::byte>(random())
                            : byte ^ static_cast<std::byte>(1 << random() % 8);
    }
    if (round % 5 == 0) bytes.resize(16 + random() % (bytes.size() - 16));
    seal_value(sample_key(), bytes);
    const auto header = check(sample_key(), bytes);
    if (header.has_error()) continue;
    ++accepted;
    decode_all(header.value(), bytes);
  }
  return accepted;
}

TEST(HostileValue, RandomChangesUnderARightChecksumNeverCrash) {
  unsigned seed = 11;
  for (const dtype t : {dtype::bfloat16, dtype::float16, dtype::float32})
    for (const quality q : {quality::raw, quality::lossless, quality::high,
                            quality::balanced, quality::small}) {
      const auto value = encode(sample_key(), *walk_chunk({9, 70, t}), 3, q);
      EXPECT_GT(mutate(value, ++seed, 3'000), 1'000) << to_string(q);
    }
  // Wide enough for coders in vectors.
  for (const quality q : {quality::lossless, quality::small}) {
    const auto value =
        encode(sample_key(), *walk_chunk({2, 2050, dtype::bfloat16}), 1, q);
    EXPECT_GT(mutate(value, ++seed, 1'000), 300) << to_string(q);
  }
}

TEST(HostileValue, DamagedRowsAreNoticed) {
  // Without the checksum's help: coders do not end where they began. (What
  // changes in bits that are not entropy coded, only the checksum notices.)
  const auto value = sample_value();
  const auto header = check(sample_key(), value.bytes).value();
  std::vector<std::byte> out(11 * 5 * header.shape.row_bytes());
  int noticed = 0;
  const int rounds = 500;
  std::mt19937 random(21);
  for (int round = 0; round < rounds; ++round) {
    auto bytes = value.bytes;
    bytes[bytes.size() - 1 - random() % (bytes.size() / 3)] ^= std::byte{16};
    noticed += decode_part(header, bytes, {0, 11, 0, 5}, out).has_error();
  }
  EXPECT_GT(noticed, rounds * 3 / 4);
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

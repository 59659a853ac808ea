#include "protocol/crc32c.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace lamina {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The check value of every catalogue of CRCs, and the vectors of RFC 3720,
// appendix B.4.
TEST(Crc32c, MatchesPublishedVectors) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0x00})), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
  std::vector<std::byte> ascending(32);
  for (std::size_t i = 0; i < ascending.size(); ++i)
    ascending[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, PortableAndProcessorAgreeAtEveryLengthAndOffset) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(300);
  for (auto& byte : bytes)
    byte = static_cast<std::byte>(random());
  for (std::size_t begin = 0; begin < 9; ++begin)
    for (std::size_t size = 0; begin + size <= bytes.size(); ++size) {
      const auto part = std::span(bytes).subspan(begin, size);
      ASSERT_EQ(crc32c(part), crc32c_portable(part)) << begin << " " << size;
    }
}

// Long enough for the processor's lanes, and for what they leave.
TEST(Crc32c, PortableAndProcessorAgreeOnLongBytes) {
  std::mt19937 random(2);
  std::vector<std::byte> bytes(20'000);
  for (auto& byte : bytes)
    byte = static_cast<std::byte>(random());
  for (std::size_t size = 3'000; size <= bytes.size(); size += 71) {
    const auto part = std::span(bytes).last(size);
    ASSERT_EQ(crc32c(part, 7), crc32c_portable(part, 7)) << size;
  }
}

TEST(Crc32c, ContinuesFromWhatCameBefore) {
  const auto all = bytes_of("layers, sites and positions");
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    EXPECT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), crc32c(all));
    EXPECT_EQ(crc32c_portable(all.subspan(cut), crc32c(all.first(cut))),
              crc32c(all));
  }
}

}  // namespace
}  // namespace lamina

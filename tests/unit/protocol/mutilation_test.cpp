// Frames and messages as an attacker or a broken disk would send them. Run
// under the address sanitizer these prove more; without it that nothing
// crashes and every refusal is an error with a sentence.
#include <gtest/gtest.h>

#include <random>

#include "protocol/frame.hpp"
#include "tests/unit/protocol/samples.hpp"

namespace lamina {
namespace {

class Mutilation : public testing::Test {
 protected:
  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  std::byte any_byte() { return static_cast<std::byte>(below(256)); }

  // Changes a few bytes, often to the values that break length checks.
  void mutilate(std::vector<std::byte>& bytes) {
    constexpr unsigned char nasty[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
    for (std::size_t i = 0, changes = 1 + below(4); i < changes; ++i)
      bytes[below(bytes.size())] =
          below(2) == 0 ? any_byte() : std::byte{nasty[below(sizeof nasty)]};
    if (below(8) == 0) bytes.resize(1 + below(bytes.size()));
  }

  void expect_clean(const error& e) {
    EXPECT_TRUE(e.code == error_code::malformed_frame ||
                e.code == error_code::limit_exceeded ||
                e.code == error_code::unsupported_version)
        << to_string(e);
    EXPECT_FALSE(e.context.empty());
  }

  std::mt19937 random_{20240229};
};

TEST_F(Mutilation, RandomBytesAreNeverAFrame) {
  for (int round = 0; round < 5'000; ++round) {
    std::vector<std::byte> bytes(below(200));
    for (auto& byte : bytes)
      byte = any_byte();
    const auto view = decode_frame(bytes);
    ASSERT_FALSE(view);
    expect_clean(view.error());
  }
}

TEST_F(Mutilation, MutilatedFramesAreRefused) {
  const auto messages = samples::every_message();
  for (int round = 0; round < 10'000; ++round) {
    const auto& body = messages[below(messages.size())];
    const auto whole = encode_frame(frame_kind::response, 1, body);
    auto frame = whole;
    mutilate(frame);
    const auto view = decode_frame(frame);
    ASSERT_EQ(view.has_value(), frame == whole);
    if (!view) expect_clean(view.error());
  }
}

// A peer that computes the right checksum over nonsense: only the verifier
// and the budget stand between it and us.
TEST_F(Mutilation, MutilatedMessagesUnpackOrAreRefused) {
  const auto messages = samples::every_message();
  int accepted = 0;
  for (int round = 0; round < 40'000; ++round) {
    const auto packed = samples::packed(messages[below(messages.size())]);
    const auto bytes = std::as_bytes(std::span(packed));
    std::vector<std::byte> control(bytes.begin(), bytes.end());
    mutilate(control);
    const auto body = decode_control(control);
    if (!body) {
      expect_clean(body.error());
      continue;
    }
    ++accepted;
    // What was accepted is a message like any other.
    EXPECT_FALSE(samples::packed(body.value()).empty());
  }
  EXPECT_GT(accepted, 1'000);
}

}  // namespace
}  // namespace lamina

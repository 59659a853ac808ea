#include "protocol/id_text.hpp"

#include <gtest/gtest.h>

#include <random>

namespace lamina {
namespace {

TEST(ConversationText, KnownValues) {
  EXPECT_EQ(conversation_text(0), "0000000000000");
  EXPECT_EQ(conversation_text(31), "000000000000z");
  EXPECT_EQ(conversation_text(32), "0000000000010");
  EXPECT_EQ(conversation_text(UINT64_MAX), "fzzzzzzzzzzzz");
}

TEST(ConversationText, ReadsBackEveryId) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    // Shifts, so that small ids are among them.
    const std::uint64_t id = random() >> (i % 64);
    EXPECT_EQ(parse_conversation(conversation_text(id)), id);
  }
}

TEST(ConversationText, SortsAsItsNumber) {
  EXPECT_LT(conversation_text(9), conversation_text(10));
  EXPECT_LT(conversation_text(UINT64_MAX - 1), conversation_text(UINT64_MAX));
}

TEST(ParseConversation, AcceptsWhatPeopleType) {
  EXPECT_EQ(parse_conversation("000000000000Z"), 31u);
  EXPECT_EQ(parse_conversation("OOOOOOOOOOOil"), 33u);
}

TEST(ParseConversation, RefusesOtherLengthsDigitsAndTooLargeNumbers) {
  for (const auto* text :
       {"", "000000000000", "00000000000000", "000000000000u", "00000000000 0",
        "g000000000000", "zzzzzzzzzzzzz"})
    EXPECT_FALSE(parse_conversation(text)) << text;
}

}  // namespace
}  // namespace lamina

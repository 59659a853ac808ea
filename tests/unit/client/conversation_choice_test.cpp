#include "client/cli/conversation_choice.hpp"

#include <gtest/gtest.h>

#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

class ChooseConversation : public testing::Test {
 protected:
  ChooseConversation() {
    for (const auto& [id, created] :
         {std::pair{"1abc000000001", 10}, std::pair{"1abd000000002", 30},
          std::pair{"2000000000003", 20}})
      known_.conversations.push_back(answers::conversation(id, created));
  }
  wire::ConversationsT known_;
};

TEST_F(ChooseConversation, UniquePrefixIsEnough) {
  EXPECT_EQ(choose_conversation("2", known_).value(), "2000000000003");
  EXPECT_EQ(choose_conversation("1abd", known_).value(), "1abd000000002");
  EXPECT_EQ(choose_conversation("LABC", known_).value(), "1abc000000001");
}

TEST_F(ChooseConversation, LastIsTheOneCreatedLast) {
  EXPECT_EQ(choose_conversation("last", known_).value(), "1abd000000002");
  EXPECT_EQ(choose_conversation("last", {}).error().code,
            error_code::not_found);
}

TEST_F(ChooseConversation, AWholeIdNeedsNoList) {
  EXPECT_TRUE(is_whole_id("0000000000009"));
  EXPECT_FALSE(is_whole_id("last"));
  EXPECT_EQ(choose_conversation("000000000000A", {}).value(), "000000000000a");
}

TEST_F(ChooseConversation, AmbiguousPrefixNamesWhatItCouldMean) {
  const auto chosen = choose_conversation("1ab", known_);
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().code, error_code::invalid_argument);
  EXPECT_NE(chosen.error().context.find("1abd000000002"), std::string::npos);
}

TEST_F(ChooseConversation, UnknownAndImpossiblePrefixesDiffer) {
  EXPECT_EQ(choose_conversation("3", known_).error().code,
            error_code::not_found);
  for (const auto* words : {"", "u", "00000000000000"})
    EXPECT_EQ(choose_conversation(words, known_).error().code,
              error_code::invalid_argument);
}

}  // namespace
}  // namespace lamina::cli

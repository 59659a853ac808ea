#include "actors/search/seen_rows.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

const digest one{{1}};
const digest other{{2}};

TEST(SeenRows, OnlyRowsThatNobodyHadAreNew) {
  seen_rows seen;
  EXPECT_EQ(seen.add(one, 0b0011), 0b0011u);
  EXPECT_EQ(seen.add(one, 0b0110), 0b0100u);
  EXPECT_EQ(seen.add(one, 0b0111), 0u);
  EXPECT_EQ(seen.add(other, 0b0111), 0b0111u);
}

TEST(SeenRows, CountsTheConversationsThatHaveARow) {
  seen_rows seen;
  seen.add(one, 0b0011);
  seen.add(one, 0b0110);
  seen.add(one, 0);
  EXPECT_EQ(seen.conversations(one, 0), 1u);
  EXPECT_EQ(seen.conversations(one, 1), 2u);
  EXPECT_EQ(seen.conversations(one, 2), 1u);
  EXPECT_EQ(seen.conversations(one, 3), 0u);
  EXPECT_EQ(seen.conversations(other, 0), 0u);
}

// Otherwise the first conversation whose rows are all passed over would count
// as one that has them.
TEST(SeenRows, NoRowsAreNotAConversation) {
  seen_rows seen;
  EXPECT_EQ(seen.add(one, 0), 0u);
  EXPECT_EQ(seen.add(one, 0b1), 0b1u);
  EXPECT_EQ(seen.conversations(one, 0), 1u);
}

}  // namespace
}  // namespace lamina

#include "daemon/nearest_word.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

const std::vector<std::string> known{"listen", "log_level", "models", "tls",
                                     "threads"};

TEST(NearestWord, FindsSlipsOfThePen) {
  EXPECT_EQ(nearest_word("listne", known), "listen");
  EXPECT_EQ(nearest_word("loglevel", known), "log_level");
  EXPECT_EQ(nearest_word("model", known), "models");
  EXPECT_EQ(nearest_word("treads", known), "threads");
}

TEST(NearestWord, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_word("compression", known), "");
  EXPECT_EQ(nearest_word("xyz", known), "") << "nothing in common with tls";
  EXPECT_EQ(nearest_word("", known), "");
}

TEST(NearestWord, DoesNotCompareWhatIsLong) {
  EXPECT_EQ(nearest_word(std::string(1 << 20, 'a'), known), "");
  EXPECT_EQ(nearest_word("aa", {std::string(1 << 20, 'a')}), "");
}

}  // namespace
}  // namespace lamina

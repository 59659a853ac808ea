#include "protocol/error.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace lamina {
namespace {

constexpr int last_code = static_cast<int>(error_code::internal);

TEST(ErrorCode, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 1; code <= last_code; ++code)
    names.insert(to_string(static_cast<error_code>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(last_code));
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(to_string(static_cast<error_code>(last_code + 1)), "unknown");
  EXPECT_EQ(to_string(static_cast<error_code>(0)), "unknown");
}

// On the wire and in scripts: a renumbered code is a broken promise.
TEST(ErrorCode, NumbersAreFrozen) {
  EXPECT_EQ(static_cast<int>(error_code::invalid_argument), 1);
  EXPECT_EQ(static_cast<int>(error_code::not_found), 6);
  EXPECT_EQ(static_cast<int>(error_code::limit_exceeded), 11);
  EXPECT_EQ(static_cast<int>(error_code::corrupt), 16);
  EXPECT_EQ(static_cast<int>(error_code::internal), 21);
}

TEST(Error, SaysCodeAndSentence) {
  const error e{error_code::not_found, "no conversation 1"};
  EXPECT_EQ(to_string(e), "not_found: no conversation 1");
  EXPECT_EQ(within("lens", e).context, "lens: no conversation 1");
}

}  // namespace
}  // namespace lamina

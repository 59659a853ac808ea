#include "actors/model/tokenizer/expression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> matches(std::string_view pattern,
                                 const std::string& text) {
  const auto compiled = expression::compile(pattern).value();
  std::vector<std::string> found;
  const auto ranges = compiled.find_all(text).value();
  for (const text_range& r : ranges)
    found.push_back(text.substr(r.begin, r.end - r.begin));
  return found;
}

TEST(Expression, FindsAllMatchesLeftmostFirst) {
  EXPECT_THAT(matches(R"(\p{L}+|\p{N}{1,3})", "ab1234 \u00e9\u4e16"),
              ElementsAre("ab", "123", "4", "\u00e9\u4e16"));
}

TEST(Expression, WhiteSpaceIsUnicodesAndNotPcre2s) {
  EXPECT_THAT(matches(R"(\s)", "\u180e\u0085\u3000\u200b"),
              ElementsAre("\u0085", "\u3000"));
  EXPECT_THAT(matches(R"([^\S\n])", "\u180e\n "), ElementsAre(" "));
}

TEST(Expression, WordCharactersIncludeMarksAndConnectors) {
  EXPECT_THAT(matches(R"(\w+)", "e\u0301_\u203f9 -"),
              ElementsAre("e\u0301_\u203f9"));
  EXPECT_THAT(matches(R"([\w-]+)", "a-b."), ElementsAre("a-b"));
  EXPECT_THAT(matches(R"(\W)", "a\u0301-"), ElementsAre("-"));
}

TEST(Expression, AScriptNameMeansTheScriptAlone) {
  // U+3001, the comma of Chinese, has Han only among its extensions.
  EXPECT_THAT(matches(R"(\p{Han}+)", "\u4e16\u3001"), ElementsAre("\u4e16"));
}

TEST(Expression, CaseIsIgnoredWhereAsked) {
  EXPECT_THAT(matches(R"((?i:'s|'ll))", "'S 's 'lL '\u017f"),
              ElementsAre("'S", "'s", "'lL", "'\u017f"));
}

TEST(Expression, AnchorsMeanLinesAndTheDotExcludesOnlyTheLineFeed) {
  EXPECT_THAT(matches(R"(^.)", "ab\ncd"), ElementsAre("a", "c"));
  EXPECT_THAT(matches(R"(.+)", "a\rb\u2028c\nd"),
              ElementsAre("a\rb\u2028c", "d"));
}

TEST(Expression, ALiteralIsNoExpression) {
  const auto dot = expression::literal("a.").value();
  EXPECT_THAT(dot.find_all("aba.a.").value(),
              ElementsAre(text_range{2, 4}, text_range{4, 6}));
  EXPECT_EQ(expression::literal("").error().code, error_code::invalid_argument);
}

TEST(Expression, WhatTheTwoSyntaxesReadDifferentlyIsRefused) {
  for (const char* pattern :
       {R"(\h)",    R"(\bx)",     R"([[:alpha:]])", "[a[bc]]",    "[a&&b]",
        "a{,3}",    "a{2,3}+",    "a{2}?",          "a**",        R"(\1)",
        R"((?i)x)", R"((*UTF)x)", R"(\Kx)",         R"([\W])",    R"(\xFF)",
        R"(\pL)",   R"(\Qx\E)",   R"((?<n>x))",     R"(\p{Lx}x)", "(x",
        "x\\",      "[x",         R"(\x{)",         R"(\p{)",     "a{",
        "[]x]"}) {
    const auto compiled = expression::compile(pattern);
    ASSERT_FALSE(compiled.has_value()) << pattern;
    EXPECT_EQ(compiled.error().code, error_code::unsupported) << pattern;
  }
}

TEST(Expression, APatternThatMayMatchNothingIsRefused) {
  EXPECT_EQ(expression::compile("x*").error().code, error_code::unsupported);
  EXPECT_EQ(expression::compile("").error().code, error_code::unsupported);
}

TEST(Expression, RunawayBacktrackingMeetsTheLimit) {
  const auto runaway = expression::compile("(?:a+)+b|(?:aa|a)+c").value();
  const auto found = runaway.find_all(std::string(2000, 'a'));
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, error_code::limit_exceeded);
}

}  // namespace
}  // namespace lamina

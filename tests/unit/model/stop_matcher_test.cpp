#include "actors/model/stop_matcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "protocol/limits.hpp"

namespace lamina {
namespace {

// Pushes until a match; the number of tokens that took is in `pushed`.
struct run {
  std::optional<stop_match> match;
  std::uint32_t pushed = 0;
  std::vector<std::uint32_t> withheld;

  run(std::vector<std::string> stops, const std::vector<std::string>& tokens) {
    stop_matcher matcher(std::move(stops));
    for (const auto& token : tokens) {
      ++pushed;
      match = matcher.push(token);
      withheld.push_back(matcher.withheld());
      if (match) return;
    }
  }
};

TEST(StopMatcher, CutsWholeTokens) {
  const run r({"stop"}, {"a", "b", "st", "op", "c"});
  ASSERT_TRUE(r.match);
  EXPECT_EQ(r.pushed, 4u);
  EXPECT_EQ(r.match->kept_tokens, 2u);
  EXPECT_FALSE(r.match->last_token_text_bytes);
}

TEST(StopMatcher, KeepsATokenThatItBeginsInside) {
  const run r({"stop"}, {"a", "xyst", "op"});
  ASSERT_TRUE(r.match);
  EXPECT_EQ(r.match->kept_tokens, 2u);
  EXPECT_EQ(r.match->last_token_text_bytes, 2u);
}

TEST(StopMatcher, MatchesInsideOneToken) {
  const run r({"o"}, {"hello world"});
  ASSERT_TRUE(r.match);
  EXPECT_EQ(r.match->kept_tokens, 1u);
  EXPECT_EQ(r.match->last_token_text_bytes, 4u);
}

TEST(StopMatcher, MayKeepNothing) {
  const run r({"stop"}, {"stop"});
  ASSERT_TRUE(r.match);
  EXPECT_EQ(r.match->kept_tokens, 0u);
  EXPECT_FALSE(r.match->last_token_text_bytes);
}

TEST(StopMatcher, EarliestBeginWins) {
  const run r({"cd", "bcde"}, {"a", "bcde"});
  ASSERT_TRUE(r.match);
  EXPECT_EQ(r.match->kept_tokens, 1u);
  const run first({"zz", "b", "ab"}, {"xab"});
  EXPECT_EQ(first.match->last_token_text_bytes, 1u);
}

TEST(StopMatcher, WithholdsWhatMayBecomeAStop) {
  const run r({"stop"}, {"a", "xs", "to", "x", "s", "y"});
  EXPECT_FALSE(r.match);
  EXPECT_THAT(r.withheld, ::testing::ElementsAre(0, 1, 2, 0, 1, 0));
}

TEST(StopMatcher, FindsAStopThatBeginsInAFailedOne) {
  const run r({"aab"}, {"a", "a", "a", "b"});
  ASSERT_TRUE(r.match);
  EXPECT_EQ(r.match->kept_tokens, 1u);
  EXPECT_THAT(r.withheld, ::testing::ElementsAre(1, 2, 2, 0));
}

TEST(StopMatcher, TokensWithoutBytesGoWithTheirPlace) {
  const run kept({"stop"}, {"a", "", "stop"});
  EXPECT_EQ(kept.match->kept_tokens, 2u);
  const run inside({"stop"}, {"a", "st", "", "op"});
  EXPECT_EQ(inside.match->kept_tokens, 1u);
  const run before({"stop"}, {"", "a", "stop"});
  EXPECT_EQ(before.match->kept_tokens, 2u);
}

TEST(StopMatcher, WorksOnBytesNotCharacters) {
  const run r({"\xc3\xa9"}, {"caf", "\xc3", "\xa9"});
  ASSERT_TRUE(r.match);
  EXPECT_EQ(r.match->kept_tokens, 1u);
}

TEST(StopMatcher, WithoutStopsNothingIsWithheld) {
  const run r({}, {"a", "b"});
  EXPECT_FALSE(r.match);
  EXPECT_THAT(r.withheld, ::testing::ElementsAre(0, 0));
}

// Against a search over the whole text after every token.
TEST(StopMatcher, AgreesWithANaiveSearch) {
  std::mt19937 random(3);
  const auto word = [&](std::size_t longest) {
    std::string text(random() % longest + 1, 'a');
    for (char& c : text)
      c = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 3'000; ++round) {
    const std::vector<std::string> stops = {word(6) + "b", word(6) + "ab"};
    stop_matcher matcher(stops);
    std::string text;
    std::vector<std::size_t> begins;
    std::uint32_t announced = 0;
    for (int i = 0; i < 30; ++i) {
      const std::string token = random() % 8 == 0 ? "" : word(3);
      begins.push_back(text.size());
      text += token;
      const std::size_t found =
          std::min(text.find(stops[0]), text.find(stops[1]));
      const auto match = matcher.push(token);
      ASSERT_EQ(match.has_value(), found != std::string::npos) << text;
      if (match) {
        auto kept = std::upper_bound(begins.begin(), begins.end(), found) -
                    begins.begin() - 1;
        if (begins[kept] < found) ++kept;
        EXPECT_EQ(match->kept_tokens, kept) << text;
        EXPECT_GE(match->kept_tokens, announced) << "an announced one was cut";
        break;
      }
      const auto count = static_cast<std::uint32_t>(begins.size());
      ASSERT_GE(count - matcher.withheld(), announced);
      announced = count - matcher.withheld();
    }
  }
}

TEST(StopMatcher, LimitsAreChecked) {
  EXPECT_TRUE(check_stops({"a", "b"}));
  EXPECT_EQ(check_stops({"a", ""}).error().code, error_code::invalid_argument);
  EXPECT_EQ(
      check_stops({std::string(limits::stop_bytes_max + 1, 'x')}).error().code,
      error_code::limit_exceeded);
  EXPECT_EQ(
      check_stops(std::vector<std::string>(limits::stop_strings_max + 1, "x"))
          .error()
          .code,
      error_code::limit_exceeded);
}

}  // namespace
}  // namespace lamina

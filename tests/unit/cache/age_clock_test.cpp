#include "actors/cache/age_clock.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

constexpr std::int64_t minute = 60'000;
constexpr std::int64_t day = 24 * 60 * minute;
constexpr std::int64_t start = 20'000 * day;

/// A clock that has proved itself, at steady time 0.
age_clock proved() {
  age_clock c;
  c.judge(start - age_clock::proof_ms, -age_clock::proof_ms);
  EXPECT_EQ(c.judge(start, 0), start);
  return c;
}

TEST(AgeClock, TheFirstTimeIsBelievedWhenItStillStandsMinutesLater) {
  age_clock c;
  EXPECT_FALSE(c.judge(start, 0));
  EXPECT_FALSE(c.judge(start + minute, minute));
  EXPECT_EQ(c.judge(start + 5 * minute, 5 * minute), start + 5 * minute);
}

TEST(AgeClock, AJumpForwardThatIsTakenBackAgesNothing) {
  auto c = proved();
  EXPECT_EQ(c.judge(start + 300 * day, minute), start + minute);
  EXPECT_EQ(c.judge(start + 300 * day + minute, 2 * minute),
            start + 2 * minute);
  EXPECT_EQ(c.judge(start + 3 * minute, 3 * minute), start + 3 * minute);
  EXPECT_EQ(c.judge(start + 300 * day, 9 * minute), start + 9 * minute)
      << "the second jump has to prove itself, too";
}

TEST(AgeClock, AJumpForwardThatStaysIsBelieved) {
  auto c = proved();
  const auto later = start + 300 * day;
  EXPECT_EQ(c.judge(later, minute), start + minute);
  EXPECT_EQ(c.judge(later + 5 * minute, 6 * minute), later + 5 * minute);
}

TEST(AgeClock, AClockThatKeepsJumpingIsNeverBelieved) {
  auto c = proved();
  for (std::int64_t i = 1; i < 30; ++i)
    EXPECT_EQ(c.judge(start + 300 * day * i, i * minute), start + i * minute);
}

TEST(AgeClock, AClockThatGoesBackIsFollowed) {
  auto c = proved();
  EXPECT_EQ(c.judge(start - 10 * day, minute), start - 10 * day);
}

}  // namespace
}  // namespace lamina

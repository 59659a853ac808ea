// Who gets what of a step's prefill.
#include "actors/model/fair_shares.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace lamina {
namespace {

const std::string alice = "alice";
const std::string bob = "bob";

std::vector<std::uint32_t> granted(const std::vector<prefill_claim>& claims) {
  std::vector<std::uint32_t> rows;
  for (const auto& c : claims)
    rows.push_back(c.granted);
  return rows;
}

using rows = std::vector<std::uint32_t>;

TEST(FairShares, OneAloneGetsAllThatThereIs) {
  fair_shares shares;
  std::vector<prefill_claim> claims{{&alice, 1, false, 1000}};
  shares.divide(claims, 100);
  EXPECT_EQ(granted(claims), rows{100});
}

TEST(FairShares, WhoWantsLittleGetsItAndTheRestIsForTheOthers) {
  fair_shares shares;
  std::vector<prefill_claim> claims{{&alice, 1, false, 4000},
                                    {&bob, 2, false, 20}};
  shares.divide(claims, 128);
  EXPECT_EQ(granted(claims), (rows{108, 20}));
}

TEST(FairShares, OwnersShareEquallyHoweverManySessionsTheyHave) {
  fair_shares shares;
  std::vector<prefill_claim> claims;
  for (std::uint64_t session = 0; session < 7; ++session)
    claims.push_back({&alice, session, false, 4000});
  claims.push_back({&bob, 7, false, 4000});
  std::uint32_t of_bob = 0;
  for (int step = 0; step < 10; ++step) {
    for (auto& c : claims)
      c.granted = 0;
    shares.divide(claims, 64);
    of_bob += claims.back().granted;
  }
  EXPECT_EQ(of_bob, 320u);
}

TEST(FairShares, SessionsOfAnOwnerShareEquallyOverTheSteps) {
  fair_shares shares;
  std::vector<prefill_claim> claims;
  for (std::uint64_t session = 0; session < 3; ++session)
    claims.push_back({&alice, session, false, 4000});
  rows sum(3);
  for (int step = 0; step < 9; ++step) {
    for (auto& c : claims)
      c.granted = 0;
    shares.divide(claims, 16);
    for (std::size_t i = 0; i < 3; ++i)
      sum[i] += claims[i].granted;
  }
  EXPECT_EQ(sum, (rows{48, 48, 48}));
}

TEST(FairShares, WithinASessionWhoCameFirstGoesFirst) {
  fair_shares shares;
  std::vector<prefill_claim> claims{{&alice, 1, false, 50},
                                    {&alice, 1, false, 50}};
  shares.divide(claims, 64);
  EXPECT_EQ(granted(claims), (rows{50, 14}));
}

TEST(FairShares, WhoWasAwayHasNoMoreThanTheOthers) {
  fair_shares shares;
  std::vector<prefill_claim> claims{{&alice, 1, false, 4000}};
  for (int step = 0; step < 10; ++step) {
    claims[0].granted = 0;
    shares.divide(claims, 64);
  }
  claims[0].granted = 0;
  claims.push_back({&bob, 2, false, 4000});
  shares.divide(claims, 64);
  EXPECT_EQ(granted(claims), (rows{32, 32}));
}

TEST(FairShares, BulkComesAfterWhatSomebodyWaitsForAndStillGetsOn) {
  fair_shares shares;
  std::vector<prefill_claim> claims{{&alice, 1, true, 4000},
                                    {&bob, 2, false, 4000}};
  shares.divide(claims, 128);
  EXPECT_EQ(granted(claims), (rows{16, 112}));
  claims[1].wanted = 30;
  claims[0].granted = claims[1].granted = 0;
  shares.divide(claims, 128);
  EXPECT_EQ(granted(claims), (rows{98, 30}));
}

TEST(FairShares, NeverGivesMoreThanThereIsOrThanIsWanted) {
  fair_shares shares;
  for (std::uint32_t total = 0; total < 70; ++total) {
    std::vector<prefill_claim> claims{{&alice, 1, true, 9},
                                      {&alice, 2, false, 17},
                                      {&bob, 3, false, 1},
                                      {&bob, 3, true, 1}};
    shares.divide(claims, total);
    std::uint32_t sum = 0;
    for (const auto& c : claims) {
      EXPECT_LE(c.granted, c.wanted);
      sum += c.granted;
    }
    EXPECT_EQ(sum, std::min(total, 28u));
  }
}

}  // namespace
}  // namespace lamina

#include "actors/model/sampling.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace lamina {
namespace {

const std::vector<float> logits = {0.0f, 2.0f, 1.0f, 2.0f, -1.0f};

std::map<token_id, int> draws(sampling_options options, int count,
                              std::span<const float> from = logits) {
  sampler s(options);
  std::map<token_id, int> seen;
  for (int i = 0; i < count; ++i)
    ++seen[s.next(from).value()];
  return seen;
}

double share(std::span<const float> from, token_id id, float temperature) {
  double total = 0;
  for (const float x : from)
    total += std::exp(x / temperature);
  return std::exp(from[id] / temperature) / total;
}

TEST(Sampling, GreedyTakesTheLowerIdOnATie) {
  EXPECT_EQ(sampler({}).next(logits).value(), 1u);
}

TEST(Sampling, FrequenciesFollowTheTemperature) {
  for (const float temperature : {0.5f, 1.0f, 2.0f}) {
    const int count = 20'000;
    auto seen = draws({temperature, 0, 1, 5}, count);
    for (token_id id = 0; id < logits.size(); ++id)
      EXPECT_NEAR(seen[id] / double(count), share(logits, id, temperature),
                  0.015)
          << "token " << id << " at " << temperature;
  }
}

TEST(Sampling, TopKDrawsFromTheBestKOnly) {
  EXPECT_EQ(draws({1, 1, 1, 5}, 100).size(), 1u);
  auto seen = draws({1, 3, 1, 5}, 20'000);
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen.count(0) + seen.count(4), 0u);
  const double sum = 2 * std::exp(2.0) + std::exp(1.0);
  EXPECT_NEAR(seen[2] / 20'000.0, std::exp(1.0) / sum, 0.015);
}

TEST(Sampling, TopPKeepsTheFewestThatHoldTheMass) {
  const std::vector<float> known = {std::log(0.5f), std::log(0.3f),
                                    std::log(0.15f), std::log(0.05f)};
  EXPECT_EQ(draws({1, 0, 0.01f, 5}, 100, known).size(), 1u);
  EXPECT_EQ(draws({1, 0, 0.49f, 5}, 500, known).size(), 1u);
  EXPECT_EQ(draws({1, 0, 0.6f, 5}, 500, known).size(), 2u);
  EXPECT_EQ(draws({1, 0, 0.9f, 5}, 2'000, known).size(), 3u);
  auto seen = draws({1, 0, 0.6f, 5}, 20'000, known);
  EXPECT_NEAR(seen[0] / 20'000.0, 0.5 / 0.8, 0.015);
}

TEST(Sampling, TopPAppliesToWhatTopKLeft) {
  const std::vector<float> known = {std::log(0.4f), std::log(0.3f),
                                    std::log(0.3f)};
  // Of the two best, the first holds 0.57.
  EXPECT_EQ(draws({1, 2, 0.5f, 5}, 500, known).size(), 1u);
  EXPECT_EQ(draws({1, 0, 0.5f, 5}, 500, known).size(), 2u);
}

TEST(Sampling, LargeVocabulariesAreSortedOnlyAsFarAsNeeded) {
  std::vector<float> flat(5'000);
  for (std::size_t i = 0; i < flat.size(); ++i)
    flat[i] = static_cast<float>(i % 1'000) * 1e-4f;
  // Nearly flat: half the mass is half the ids, the better ones.
  const auto seen = draws({1, 0, 0.5f, 5}, 2'000, flat);
  EXPECT_GT(seen.size(), 1'200u);
  for (const auto& [id, count] : seen)
    EXPECT_GE(id % 1'000, 480u);
}

TEST(Sampling, SeedDecides) {
  const sampling_options options{1, 0, 1, 42};
  sampler a(options), b(options), c({1, 0, 1, 43});
  std::vector<token_id> first, again, other;
  for (int i = 0; i < 50; ++i) {
    first.push_back(a.next(logits).value());
    again.push_back(b.next(logits).value());
    other.push_back(c.next(logits).value());
  }
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
}

// The same on every machine and in every build: stored answers depend on it.
TEST(Sampling, DrawsOfASeedAreFrozen) {
  const std::vector<float> flat(1'000, 0.0f);
  sampler s({1, 0, 1, 42});
  std::vector<token_id> ids;
  for (int i = 0; i < 4; ++i)
    ids.push_back(s.next(flat).value());
  EXPECT_THAT(ids, ::testing::ElementsAre(755, 639, 752, 136));
}

TEST(Sampling, LogitsThatAreNoNumbersAreAnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float temperature : {0.0f, 1.0f}) {
    sampler s({temperature, 0, 1, 1});
    for (const auto& bad :
         {std::vector{0.0f, nan, 1.0f}, std::vector{nan},
          std::vector{0.0f, infinity}, std::vector{-infinity, -infinity}}) {
      const auto token = s.next(bad);
      ASSERT_FALSE(token);
      EXPECT_EQ(token.error().code, error_code::internal);
    }
    EXPECT_EQ(s.next(std::vector{-infinity, 0.0f}).value(), 1u);
  }
}

TEST(Sampling, OptionsOutOfRangeAreNamed) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(check({}));
  EXPECT_TRUE(check({0.8f, 40, 0.95f, 1}));
  for (const float temperature : {-1.0f, nan})
    EXPECT_THAT(check({temperature, 0, 1, 0}).error().context,
                ::testing::HasSubstr("temperature"));
  for (const float top_p : {0.0f, -1.0f, 1.5f, nan})
    EXPECT_THAT(check({1, 0, top_p, 0}).error().context,
                ::testing::HasSubstr("top_p"));
}

}  // namespace
}  // namespace lamina

#include "actors/search/hits.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace lamina {
namespace {

search_hit hit(float score, std::uint32_t conversation, position_t position) {
  search_hit h;
  h.score = score;
  h.conversation = conversation;
  h.position = position;
  return h;
}

using place = std::pair<std::uint32_t, position_t>;

std::vector<place> places(const best_hits& best) {
  std::vector<place> all;
  for (const auto& h : best.sorted())
    all.emplace_back(h.conversation, h.position);
  return all;
}

TEST(BestHits, EqualScoresStandInTheOrderOfConversationThenPosition) {
  best_hits best(3);
  best.add(hit(1, 2, 0));
  best.add(hit(1, 1, 9));
  best.add(hit(1, 1, 4));
  best.add(hit(1, 3, 0));
  EXPECT_EQ(places(best), (std::vector<place>{{1, 4}, {1, 9}, {2, 0}}));
}

TEST(BestHits, TheOrderOfAddingDoesNotMatter) {
  std::mt19937 random(5);
  std::vector<search_hit> all;
  for (std::uint32_t i = 0; i < 500; ++i)
    all.push_back(hit(static_cast<float>(random() % 20) - 10, random() % 4, i));
  auto sorted = all;
  std::sort(sorted.begin(), sorted.end(), ranks_before);
  std::vector<place> expected;
  for (std::size_t i = 0; i < 30; ++i)
    expected.emplace_back(sorted[i].conversation, sorted[i].position);
  for (int round = 0; round < 5; ++round) {
    std::shuffle(all.begin(), all.end(), random);
    best_hits best(30);
    for (const auto& h : all)
      best.add(h);
    EXPECT_EQ(places(best), expected);
  }
}

TEST(BestHits, AddTellsWhetherTheHitIsAmongTheBest) {
  best_hits best(1);
  EXPECT_TRUE(best.add(hit(-2, 0, 0)));
  EXPECT_FALSE(best.add(hit(-3, 0, 1)));
  EXPECT_FALSE(best.add(hit(-2, 0, 1)));
  EXPECT_TRUE(best.add(hit(-1, 0, 2)));
  EXPECT_EQ(best.size(), 1u);
  EXPECT_FALSE(best_hits(0).add(hit(1, 0, 0)));
}

}  // namespace
}  // namespace lamina

#include "actors/model/eager_lens.hpp"

#include <gtest/gtest.h>

#include "actors/lens/lens.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t vocabulary = 3;
const std::vector<float> logits = {0, 1, 2, 2, 1, 0};  // one layer + embedding

eager_lens after_three_positions(position_t from) {
  eager_lens lens(1, from);
  for (position_t p = from == 0 ? 0 : from - 1; p < from + 3; ++p) {
    std::vector<distribution> layers;
    std::vector<token_rating> ratings;
    for (std::uint32_t l = 0; l < 2; ++l) {
      const auto row = std::span(logits).subspan(l * vocabulary, vocabulary);
      layers.push_back(summarise_row(row, logits.data() + vocabulary));
      ratings.push_back(rate_row(row, layers.back(), 1));
    }
    lens.take(p, layers);
    lens.rate_next(ratings);
  }
  return lens;
}

TEST(EagerLens, OnlyAPositionWithoutPredecessorIsNotRated) {
  auto begin = after_three_positions(0);
  EXPECT_FALSE(begin.announce(3)->first_rated);
  auto later = after_three_positions(16);
  EXPECT_TRUE(later.announce(19)->first_rated);
}

// A stop string may let one of several withheld positions go.
TEST(EagerLens, RestOfAPartlyAnnouncedRunIsRated) {
  auto lens = after_three_positions(0);
  EXPECT_EQ(lens.announce(0), nullptr);
  EXPECT_EQ(lens.announce(1)->count(), 1u);
  const auto rest = lens.announce(3);
  EXPECT_EQ(rest->first, 1u);
  EXPECT_EQ(rest->count(), 2u);
  EXPECT_TRUE(rest->first_rated);
  EXPECT_EQ(rest->records[0].of_this.rank, 1u);
  EXPECT_EQ(lens.announce(3), nullptr);
}

}  // namespace
}  // namespace lamina

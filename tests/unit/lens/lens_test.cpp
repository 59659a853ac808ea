// Lens records against the definitions, computed plainly in double.
#include "actors/lens/lens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "actors/lens/distribution.hpp"

namespace lamina {
namespace {

std::vector<float> noise(std::size_t count, float scale, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& v : values)
    v = normal(random);
  return values;
}

std::span<const float> row(const std::vector<float>& logits,
                           std::size_t vocabulary, std::size_t r) {
  return {logits.data() + r * vocabulary, vocabulary};
}

// The softmax of a row, in double.
struct reference {
  std::vector<double> log_probabilities;
  std::vector<std::uint32_t> order;

  explicit reference(std::span<const float> x)
      : log_probabilities(x.begin(), x.end()), order(x.size()) {
    const double highest = *std::max_element(x.begin(), x.end());
    double total = 0;
    for (const float v : x)
      total += std::exp(v - highest);
    for (double& l : log_probabilities)
      l -= highest + std::log(total);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return x[a] > x[b]; });
  }
  double entropy() const {
    double sum = 0;
    for (const double l : log_probabilities)
      sum -= std::exp(l) * l;
    return sum;
  }
  double divergence(const reference& from) const {
    double sum = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
      sum += std::exp(log_probabilities[i]) *
             (log_probabilities[i] - from.log_probabilities[i]);
    return sum;
  }
  std::uint32_t rank(token_id id) const {
    return static_cast<std::uint32_t>(
        std::find(order.begin(), order.end(), id) - order.begin());
  }
};

struct lens_case {
  std::uint32_t vocabulary;
  float scale;
};

class Lens : public ::testing::TestWithParam<lens_case> {};

TEST_P(Lens, RecordsEqualTheDefinitions) {
  const auto [vocabulary, scale] = GetParam();
  constexpr std::size_t rows = 3;
  auto logits = noise(rows * vocabulary, scale, 1);
  // A layer that is almost the final one: its KL is a small difference.
  for (std::uint32_t i = 0; i < vocabulary; ++i)
    logits[vocabulary + i] =
        logits[2 * vocabulary + i] + 1e-3f * logits[i] / scale;
  std::vector<lens_record> records(rows);
  summarise(logits, vocabulary, records);
  const reference last(row(logits, vocabulary, rows - 1));
  for (std::size_t r = 0; r < rows; ++r) {
    const reference here(row(logits, vocabulary, r));
    EXPECT_NEAR(records[r].entropy, here.entropy(), 2e-5 * (1 + scale));
    EXPECT_NEAR(records[r].kl_to_final, here.divergence(last),
                2e-6 * (1 + scale) + 1e-5 * here.divergence(last));
    for (std::uint32_t k = 0; k < lens_top_k; ++k) {
      if (k >= vocabulary) {
        EXPECT_EQ(records[r].top_ids[k], no_token);
        continue;
      }
      EXPECT_EQ(records[r].top_ids[k], here.order[k]);
      EXPECT_NEAR(records[r].top_log_probabilities[k],
                  here.log_probabilities[here.order[k]], 1e-5 * (1 + scale));
    }
  }
  EXPECT_EQ(records.back().kl_to_final, 0);
}

TEST_P(Lens, RatingsEqualTheDefinitions) {
  const auto [vocabulary, scale] = GetParam();
  const auto logits = noise(2 * vocabulary, scale, 3);
  std::vector<lens_record> records(2);
  summarise(logits, vocabulary, records);
  std::vector<token_rating> plain(2), faster(2);
  for (const token_id token : {0u, vocabulary / 2, vocabulary - 1}) {
    rate(logits, vocabulary, token, plain);
    rate(logits, vocabulary, records, token, faster);
    for (std::size_t r = 0; r < 2; ++r) {
      const reference here(row(logits, vocabulary, r));
      EXPECT_EQ(plain[r].rank, here.rank(token));
      EXPECT_EQ(faster[r].rank, here.rank(token));
      EXPECT_NEAR(plain[r].log_probability, here.log_probabilities[token],
                  1e-5 * (1 + scale));
      EXPECT_NEAR(faster[r].log_probability, here.log_probabilities[token],
                  1e-5 * (1 + scale));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, Lens,
                         ::testing::Values(lens_case{3, 1}, lens_case{10, 1},
                                           lens_case{517, 0.01f},
                                           lens_case{2'048, 3},
                                           lens_case{32'003, 1},
                                           lens_case{4'099, 40}));

TEST(LensOfNaN, IsNeverSureOfAnything) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr std::uint32_t vocabulary = 1'003;
  // One NaN where vectors read, one in the rest, and nothing else.
  for (const std::uint32_t bad : {5u, vocabulary - 1, vocabulary}) {
    auto logits = noise(2 * vocabulary, 1, 9);
    for (std::uint32_t i = 0; i < vocabulary; ++i)
      if (i == bad || bad == vocabulary) logits[vocabulary + i] = nan;
    std::vector<lens_record> records(2);
    summarise(logits, vocabulary, records);
    EXPECT_FALSE(std::isnan(records[0].entropy)) << "the other row is sound";
    EXPECT_TRUE(std::isnan(records[0].kl_to_final));
    EXPECT_TRUE(std::isnan(records[1].entropy));
    EXPECT_TRUE(std::isnan(records[1].kl_to_final));
    EXPECT_TRUE(std::isnan(records[1].top_log_probabilities[0]));
    std::vector<token_rating> ratings(2);
    const token_id token = std::min(bad, vocabulary - 1);
    rate(logits, vocabulary, token, ratings);
    EXPECT_EQ(ratings[1].rank, vocabulary) << "behind all others";
    EXPECT_TRUE(std::isnan(ratings[1].log_probability));
  }
}

TEST(LensTies, GoToTheLowerId) {
  std::vector<float> logits(100, 1.0f);
  logits[50] = logits[70] = 2.0f;
  std::vector<lens_record> records(1);
  summarise(logits, 100, records);
  EXPECT_EQ(records[0].top_ids[0], 50u);
  EXPECT_EQ(records[0].top_ids[1], 70u);
  EXPECT_EQ(records[0].top_ids[2], 0u);
  EXPECT_EQ(rank_of(logits, 70), 1u);
  EXPECT_EQ(rank_of(logits, 0), 2u);
  EXPECT_EQ(rank_of(logits, 99), 99u);
}

// A model whose head is a fixed matrix: enough for compute_lens.
class matrix_head final : public output_head {
 public:
  matrix_head(std::uint32_t width, std::uint32_t vocabulary)
      : width_(width),
        vocabulary_(vocabulary),
        weights_(noise(std::size_t{width} * vocabulary, 1, 8)) {}
  std::uint32_t width() const override { return width_; }
  std::uint32_t vocabulary() const override { return vocabulary_; }
  void logits(std::span<const float> residuals, std::uint32_t rows,
              std::span<float> out, int threads) const override {
    EXPECT_EQ(threads, 1);
    EXPECT_LE(out.size_bytes(), lens_slice_bytes);
    for (std::uint32_t r = 0; r < rows; ++r)
      for (std::uint32_t v = 0; v < vocabulary_; ++v)
        out[std::size_t{r} * vocabulary_ + v] = std::inner_product(
            residuals.begin() + r * width_,
            residuals.begin() + (r + 1) * width_,
            weights_.begin() + std::size_t{v} * width_, 0.0f);
  }

 private:
  std::uint32_t width_;
  std::uint32_t vocabulary_;
  std::vector<float> weights_;
};

class ComputeLens : public ::testing::Test {
 protected:
  static constexpr std::uint32_t layers = 2;
  static constexpr std::uint32_t width = 4;

  std::shared_ptr<raw_chunk> chunk(position_t first) const {
    auto made = std::make_shared<raw_chunk>(
        capture_shape{layers, width, dtype::float32}, first);
    for (std::uint32_t slot = 0; slot < layers + 2; ++slot)
      for (std::uint32_t r = 0; r < chunk_positions; ++r) {
        const auto values = noise(width, 1, first + slot * 100 + r);
        std::memcpy(made->row(slot, r).data(), values.data(),
                    width * sizeof(float));
      }
    return made;
  }
  std::vector<float> logits_of(const output_head& head, const raw_chunk& from,
                               std::uint32_t row) const {
    std::vector<float> residuals((layers + 1) * width);
    gather_residuals(from, row, residuals);
    std::vector<float> out((layers + 1) * head.vocabulary());
    head.logits(residuals, layers + 1, out, 1);
    return out;
  }
};

TEST_F(ComputeLens, RecordsAndRatesEveryPosition) {
  const matrix_head head(width, 30);
  const auto before = chunk(16), here = chunk(32);
  const lens_input in{{here, 0, 5}, {before, 0, 16}, {3, 1, 4, 1, 5}};
  const lens_rows out = compute_lens(head, in, 1);
  EXPECT_EQ(out.first, 32u);
  EXPECT_EQ(out.layers, layers);
  ASSERT_EQ(out.count(), 5u);
  EXPECT_TRUE(out.first_rated);
  for (std::uint32_t i = 0; i < 5; ++i) {
    std::vector<lens_record> expected(layers + 1);
    summarise(logits_of(head, *here, i), 30, expected);
    std::vector<token_rating> ratings(layers + 1);
    rate(i == 0 ? logits_of(head, *before, 15) : logits_of(head, *here, i - 1),
         30, in.tokens[i], ratings);
    for (std::uint32_t l = 0; l <= layers; ++l) {
      const auto& record = out.records[i * (layers + 1) + l];
      EXPECT_EQ(record.top_ids[0], expected[l].top_ids[0]);
      EXPECT_EQ(record.entropy, expected[l].entropy);
      EXPECT_EQ(record.of_this.rank, ratings[l].rank);
      EXPECT_NEAR(record.of_this.log_probability, ratings[l].log_probability,
                  1e-5);
    }
  }
}

TEST_F(ComputeLens, WithoutPredecessorTheFirstIsNotRated) {
  const matrix_head head(width, 30);
  const auto here = chunk(32);
  lens_input in;
  in.rows = {here, 2, 4};
  in.tokens = {1, 2};
  EXPECT_FALSE(compute_lens(head, in, 1).first_rated);
  in.predecessor = {chunk(16), 0, 16};  // not just before
  EXPECT_FALSE(compute_lens(head, in, 1).first_rated);
  in.predecessor = {here, 0, 2};  // in the same chunk
  EXPECT_TRUE(compute_lens(head, in, 1).first_rated);
}

// Slices change nothing: a vocabulary of which few positions fit at once.
TEST_F(ComputeLens, SlicesBoundTheMemory) {
  const matrix_head head(width, 900'000);
  EXPECT_EQ(lens_slice_positions(layers, 900'000), 3u);
  EXPECT_EQ(lens_slice_positions(1'000, 900'000), 1u);
  const auto here = chunk(0);
  lens_input in;
  in.rows = {here, 0, 5};
  in.tokens = {0, 10, 20, 30, 40};
  const lens_rows out = compute_lens(head, in, 1);
  ASSERT_EQ(out.count(), 5u);
  for (std::uint32_t i = 1; i < 5; ++i) {  // across the slices' borders too
    std::vector<token_rating> ratings(layers + 1);
    rate(logits_of(head, *here, i - 1), 900'000, 10 * i, ratings);
    for (std::uint32_t l = 0; l <= layers; ++l)
      EXPECT_EQ(out.records[i * (layers + 1) + l].of_this.rank,
                ratings[l].rank);
  }
}

}  // namespace
}  // namespace lamina

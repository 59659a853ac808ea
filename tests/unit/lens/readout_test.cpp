// Readouts against plain sums in double, against lens records, and through
// maps.
#include "actors/lens/readout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "actors/lens/lens.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t layers = 3;
constexpr std::uint32_t width = 6;

std::vector<float> noise(std::size_t count, float scale, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& v : values)
    v = normal(random);
  return values;
}

/// Logits are a fixed matrix times the row.
class matrix_head final : public output_head {
 public:
  explicit matrix_head(std::uint32_t vocabulary)
      : vocabulary_(vocabulary),
        weights_(noise(std::size_t{lamina::width} * vocabulary, 1, 8)) {}
  std::uint32_t width() const override { return lamina::width; }
  std::uint32_t vocabulary() const override { return vocabulary_; }
  void logits(std::span<const float> residuals, std::uint32_t rows,
              std::span<float> out, int) const override {
    for (std::uint32_t r = 0; r < rows; ++r)
      for (std::uint32_t v = 0; v < vocabulary_; ++v)
        out[std::size_t{r} * vocabulary_ + v] =
            std::inner_product(&residuals[r * lamina::width],
                               &residuals[r * lamina::width] + lamina::width,
                               &weights_[v * lamina::width], 0.0f);
  }

 private:
  std::uint32_t vocabulary_;
  std::vector<float> weights_;
};

/// h -> h * (1 + factor), except the last layer's.
class scaling final : public lens_maps {
 public:
  explicit scaling(float factor) : factor_(factor) {}
  void apply(std::uint32_t slot, std::span<float> rows, std::uint32_t count,
             int) const override {
    EXPECT_EQ(rows.size(), count * width);
    if (slot == layers) return;
    for (float& h : rows)
      h += factor_ * h;
  }

 private:
  float factor_;
};

class Readout : public ::testing::Test {
 protected:
  Readout() {
    for (std::uint32_t slot = 0; slot < layers + 2; ++slot)
      for (std::uint32_t r = 0; r < chunk_positions; ++r) {
        const auto values = noise(width, 1, slot * 100 + r);
        std::memcpy(chunk_->row(slot, r).data(), values.data(),
                    width * sizeof(float));
      }
  }

  static readout_query all_slots(std::uint32_t top_k = lens_top_k) {
    readout_query query;
    query.slots.resize(layers + 1);
    std::iota(query.slots.begin(), query.slots.end(), 0);
    query.top_k = top_k;
    return query;
  }

  std::vector<double> log_softmax(const output_head& head, std::uint32_t slot,
                                  std::uint32_t row, double scale = 1) const {
    std::vector<float> values(width);
    widen_row(chunk_->row(slot, row), dtype::float32, values);
    for (float& v : values)
      v = static_cast<float>(v * scale);
    std::vector<float> logits(head.vocabulary());
    head.logits(values, 1, logits, 1);
    std::vector<double> wide(logits.begin(), logits.end());
    const double highest = *std::max_element(wide.begin(), wide.end());
    double total = 0;
    for (const double x : wide)
      total += std::exp(x - highest);
    for (double& x : wide)
      x -= highest + std::log(total);
    return wide;
  }

  static std::vector<token_id> unknown(std::uint32_t count) {
    return std::vector<token_id>(count, no_token);
  }

  std::shared_ptr<raw_chunk> chunk_ = std::make_shared<raw_chunk>(
      capture_shape{layers, width, dtype::float32}, 32);
};

TEST_F(Readout, ManyPredictionsAreTheSortedSoftmax) {
  const matrix_head head(500);
  const auto out =
      read_out(head, all_slots(100), {chunk_, 2, 5}, unknown(3), 1);
  ASSERT_EQ(out.size(), 3 * (layers + 1));
  for (std::uint32_t p = 0; p < 3; ++p)
    for (std::uint32_t slot = 0; slot <= layers; ++slot) {
      const auto expected = log_softmax(head, slot, 2 + p);
      std::vector<token_id> order(500);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
        return expected[a] > expected[b];
      });
      const auto& layer = out[p * (layers + 1) + slot];
      ASSERT_EQ(layer.top_ids.size(), 100u);
      for (std::size_t k = 0; k < 100; ++k) {
        EXPECT_EQ(layer.top_ids[k], order[k]);
        EXPECT_NEAR(layer.top_log_probabilities[k], expected[order[k]], 1e-5);
      }
      double entropy = 0, divergence = 0;
      const auto last = log_softmax(head, layers, 2 + p);
      for (std::size_t v = 0; v < 500; ++v) {
        entropy -= std::exp(expected[v]) * expected[v];
        divergence += std::exp(expected[v]) * (expected[v] - last[v]);
      }
      EXPECT_NEAR(layer.entropy, entropy, 1e-4);
      EXPECT_NEAR(layer.kl_to_final, divergence, 1e-4);
    }
}

TEST_F(Readout, TrackedTokensAreRatedByTheFullSoftmax) {
  const matrix_head head(500);
  auto query = all_slots(1);
  query.tracked = {499, 0, 77};
  const std::vector<token_id> next{5, no_token};
  const auto out = read_out(head, query, {chunk_, 0, 2}, next, 1);
  for (std::uint32_t p = 0; p < 2; ++p)
    for (std::uint32_t slot = 0; slot <= layers; ++slot) {
      const auto expected = log_softmax(head, slot, p);
      const auto& layer = out[p * (layers + 1) + slot];
      const auto check = [&](const token_rating& rating, token_id token) {
        EXPECT_NEAR(rating.log_probability, expected[token], 1e-5);
        EXPECT_EQ(rating.rank, std::ranges::count_if(expected, [&](double l) {
                    return l > expected[token];
                  }));
      };
      ASSERT_EQ(layer.tracked.size(), 3u);
      for (std::size_t t = 0; t < 3; ++t)
        check(layer.tracked[t], query.tracked[t]);
      if (p == 0) check(layer.next, 5);
    }
}

TEST_F(Readout, TenPredictionsAreTheRecordsOwn) {
  const matrix_head head(500);
  lens_input in;
  in.rows = {chunk_, 0, 4};
  in.tokens = {9, 8, 7, 6};
  const auto records = compute_lens(head, in, 1);
  const std::vector<token_id> next{8, 7, 6, no_token};
  const auto out = read_out(head, all_slots(), in.rows, next, 1);
  ASSERT_EQ(out.size(), records.records.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto& record = records.records[i];
    EXPECT_TRUE(std::ranges::equal(out[i].top_ids, record.top_ids));
    EXPECT_TRUE(std::ranges::equal(out[i].top_log_probabilities,
                                   record.top_log_probabilities));
    EXPECT_EQ(out[i].entropy, record.entropy);
    EXPECT_EQ(out[i].kl_to_final, record.kl_to_final);
    if (i + layers + 1 >= out.size()) continue;
    const auto& rating = records.records[i + layers + 1].of_this;
    EXPECT_EQ(out[i].next.rank, rating.rank);
    EXPECT_EQ(out[i].next.log_probability, rating.log_probability);
  }
}

TEST_F(Readout, SomeLayersInAnyOrderAreThoseOfAll) {
  const matrix_head head(500);
  const auto all = read_out(head, all_slots(), {chunk_, 3, 4}, unknown(1), 1);
  auto query = all_slots();
  query.slots = {layers, 1, 0, 1};
  const auto some = read_out(head, query, {chunk_, 3, 4}, unknown(1), 1);
  ASSERT_EQ(some.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(some[i].top_ids, all[query.slots[i]].top_ids);
    EXPECT_EQ(some[i].kl_to_final, all[query.slots[i]].kl_to_final);
  }
  EXPECT_EQ(some[0].kl_to_final, 0);
}

TEST_F(Readout, IdentityMapsChangeNothing) {
  const matrix_head head(500);
  auto query = all_slots(50);
  const auto plain = read_out(head, query, {chunk_, 0, 16}, unknown(16), 1);
  query.maps = std::make_shared<scaling>(0.0f);
  const auto mapped = read_out(head, query, {chunk_, 0, 16}, unknown(16), 1);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(mapped[i].top_ids, plain[i].top_ids);
    EXPECT_EQ(mapped[i].top_log_probabilities, plain[i].top_log_probabilities);
    EXPECT_EQ(mapped[i].entropy, plain[i].entropy);
    EXPECT_EQ(mapped[i].kl_to_final, plain[i].kl_to_final);
  }
}

TEST_F(Readout, MapsMoveEveryLayerButTheLast) {
  const matrix_head head(500);
  auto query = all_slots(1);
  query.maps = std::make_shared<scaling>(0.5f);
  query.tracked = {123};
  const auto out = read_out(head, query, {chunk_, 0, 1}, unknown(1), 1);
  for (std::uint32_t slot = 0; slot <= layers; ++slot)
    EXPECT_NEAR(out[slot].tracked[0].log_probability,
                log_softmax(head, slot, 0, slot == layers ? 1 : 1.5)[123],
                1e-5);
}

TEST_F(Readout, ASmallVocabularyGivesAllItHas) {
  const matrix_head head(4);
  for (const std::uint32_t top_k : {3u, 10u, 100u}) {
    const auto out =
        read_out(head, all_slots(top_k), {chunk_, 0, 1}, unknown(1), 1);
    EXPECT_EQ(out[0].top_ids.size(), std::min(top_k, 4u));
  }
}

TEST_F(Readout, RowsThatAreNoNumbersHaveNoPredictions) {
  const matrix_head head(500);
  for (std::uint32_t i = 0; i < width; ++i) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(chunk_->row(1, 0).data() + i * sizeof nan, &nan, sizeof nan);
  }
  const auto out = read_out(head, all_slots(20), {chunk_, 0, 1}, unknown(1), 1);
  EXPECT_TRUE(out[1].top_ids.empty());
  EXPECT_EQ(out[0].top_ids.size(), 20u);
}

TEST(ReadoutSlices, CountTheLastLayerToo) {
  readout_query query;
  query.slots = {0, 1};
  EXPECT_EQ(readout_slice_positions(query, 900'000), 3u);
}

}  // namespace
}  // namespace lamina

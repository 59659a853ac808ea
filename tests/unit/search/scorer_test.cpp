#include "actors/search/scorer.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "actors/chunks/raw_chunk.hpp"

namespace lamina {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// A bit pattern of the element type near `value`, cut rather than rounded.
std::uint32_t bits_of(float value, dtype element) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (element == dtype::float32) return bits;
  if (element == dtype::bfloat16) return bits >> 16;
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  if (std::isnan(value)) return sign | 0x7e00u;
  if (std::isinf(value)) return sign | 0x7c00u;
  const int exponent = static_cast<int>(bits >> 23 & 0xffu) - 112;
  if (exponent <= 0) return sign;  // small ones become zero here
  if (exponent >= 31) return sign | 0x7c00u;
  return sign | static_cast<std::uint32_t>(exponent) << 10 |
         (bits >> 13 & 0x3ffu);
}

std::vector<std::byte> stored(const std::vector<float>& values, dtype element) {
  std::vector<std::byte> bytes(values.size() * size_of(element));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto bits = bits_of(values[i], element);
    std::memcpy(bytes.data() + i * size_of(element), &bits, size_of(element));
  }
  return bytes;
}

/// The same by a plain loop in double.
double naive(const std::vector<float>& query, std::span<const std::byte> row,
             dtype element, similarity metric) {
  std::vector<float> wide(query.size());
  widen_row(row, element, wide);
  double dot = 0, of_query = 0, of_row = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    dot += double{query[i]} * wide[i];
    of_query += double{query[i]} * query[i];
    of_row += double{wide[i]} * wide[i];
  }
  if (metric == similarity::dot) return dot;
  return dot / (std::sqrt(of_query) * std::sqrt(of_row));
}

std::vector<float> random_values(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> values(count);
  for (float& v : values)
    v = normal(random);
  return values;
}

std::vector<float> scores(const std::vector<float>& query,
                          const std::vector<std::byte>& rows, dtype element,
                          similarity metric) {
  const auto asking = scorer::make(query, metric).value();
  std::vector<float> out(rows.size() / (query.size() * size_of(element)));
  asking.score(rows, element, out);
  return out;
}

/// Every instruction set of this machine, one after the other.
class EveryTarget : public testing::TestWithParam<std::int64_t> {
 protected:
  EveryTarget() { choose(GetParam()); }
  ~EveryTarget() override { choose(0); }  // the best one, as always

 private:
  static void choose(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

std::vector<std::int64_t> targets() {
  std::vector<std::int64_t> all;
  for (std::int64_t rest = hwy::SupportedTargets(); rest != 0; rest &= rest - 1)
    all.push_back(rest & -rest);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Scorer, EveryTarget, testing::ValuesIn(targets()),
                         [](const auto& at) {
                           return std::string(hwy::TargetName(at.param));
                         });

TEST_P(EveryTarget, EqualsAPlainLoopForEveryElementTypeMetricAndWidth) {
  constexpr std::size_t rows = 19;  // more than one chunk has
  for (const std::size_t width : {1, 2, 7, 8, 9, 31, 64, 100, 131, 257, 1024})
    for (const auto element : {dtype::float32, dtype::bfloat16, dtype::float16})
      for (const auto metric : {similarity::cosine, similarity::dot}) {
        const auto query = random_values(width, 1);
        const auto bytes = stored(random_values(rows * width, 2), element);
        const auto found = scores(query, bytes, element, metric);
        const auto row_bytes = width * size_of(element);
        for (std::size_t r = 0; r < rows; ++r) {
          const auto expected =
              naive(query, std::span(bytes).subspan(r * row_bytes, row_bytes),
                    element, metric);
          const auto close = metric == similarity::cosine
                                 ? 2e-6
                                 : 2e-5 * static_cast<double>(width);
          EXPECT_NEAR(found[r], expected, close)
              << "width " << width << " row " << r << " " << to_string(element);
        }
      }
}

TEST(Scorer, ARowIsItsOwnNearest) {
  const auto query = random_values(300, 4);
  EXPECT_FLOAT_EQ(scores(query, stored(query, dtype::float32), dtype::float32,
                         similarity::cosine)[0],
                  1);
}

TEST(Scorer, RowsWithNanOrInfinityHaveNoRank) {
  for (const auto element : {dtype::float32, dtype::bfloat16, dtype::float16})
    for (const float bad : {nan, infinity, -infinity})
      for (const std::size_t at : {0, 40, 66}) {  // 66 is beyond any vector
        auto row = random_values(67, 3);
        row[at] = bad;
        const auto bytes = stored(row, element);
        const auto query = random_values(67, 5);
        EXPECT_TRUE(
            std::isnan(scores(query, bytes, element, similarity::dot)[0]));
        EXPECT_TRUE(
            std::isnan(scores(query, bytes, element, similarity::cosine)[0]));
      }
}

TEST(Scorer, ARowOfZerosHasNoCosineButADotProduct) {
  const auto query = random_values(24, 1);
  const auto zeros = stored(std::vector<float>(24), dtype::bfloat16);
  EXPECT_TRUE(
      std::isnan(scores(query, zeros, dtype::bfloat16, similarity::cosine)[0]));
  EXPECT_EQ(scores(query, zeros, dtype::bfloat16, similarity::dot)[0], 0);
}

TEST(Scorer, SquaresBeyondFloat32AreSummedInDouble) {
  for (const float scale : {1e25f, 1e-25f}) {
    auto row = random_values(64, 8);
    const auto query = row;
    for (float& v : row)
      v *= scale;
    EXPECT_NEAR(scores(query, stored(row, dtype::float32), dtype::float32,
                       similarity::cosine)[0],
                1, 1e-6)
        << scale;
  }
}

TEST(Scorer, TheLengthOfAQueryDoesNotMatterToTheCosine) {
  const std::vector<float> row = {3, 4, 0};
  const auto bytes = stored(row, dtype::float32);
  // The smallest number there is, subnormal ones and nearly the largest.
  for (const float scale : {1.4e-45f, 1e-40f, 1e-20f, 1.0f, 1e38f}) {
    const std::vector<float> query = {scale, scale, 0};
    EXPECT_NEAR(scores(query, bytes, dtype::float32, similarity::cosine)[0],
                7 / (5 * std::sqrt(2.0)), 1e-6)
        << scale;
  }
}

TEST(Scorer, ADotProductBeyondFloat32HasNoRank) {
  const std::vector<float> query(8, 1e30f);
  EXPECT_TRUE(std::isnan(scores(query, stored(query, dtype::float32),
                                dtype::float32, similarity::dot)[0]));
}

TEST(Scorer, SmallestFloat16NumbersCount) {
  const std::vector<float> query{1, 1, 1, 1, 1};
  std::vector<std::byte> row(10);
  const std::uint16_t smallest = 1;  // 2^-24
  for (std::size_t i = 0; i < 5; ++i)
    std::memcpy(row.data() + 2 * i, &smallest, 2);
  EXPECT_FLOAT_EQ(scores(query, row, dtype::float16, similarity::dot)[0],
                  5 * 0x1p-24f);
  EXPECT_NEAR(scores(query, row, dtype::float16, similarity::cosine)[0], 1,
              1e-6);
}

TEST(Scorer, RefusesQueriesThatNothingCanBeComparedWith) {
  const auto code = [](std::vector<float> query, similarity metric) {
    const auto made = scorer::make(std::move(query), metric);
    return made ? error_code{} : made.error().code;
  };
  const auto refused = error_code::invalid_argument;
  EXPECT_EQ(code({}, similarity::dot), refused);
  EXPECT_EQ(code({1, nan}, similarity::dot), refused);
  EXPECT_EQ(code({infinity, 1}, similarity::cosine), refused);
  EXPECT_EQ(code({0, 0}, similarity::cosine), refused);
  EXPECT_EQ(code({1}, static_cast<similarity>(7)), refused);
  EXPECT_TRUE(scorer::make({0, 0}, similarity::dot));
}

}  // namespace
}  // namespace lamina

// The kernels against plain loops in double.
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

#include "actors/model/kernels/attention.hpp"
#include "actors/model/kernels/dots.hpp"
#include "actors/model/kernels/int8_tiles.hpp"
#include "actors/model/kernels/linear.hpp"
#include "actors/model/kernels/quantise.hpp"
#include "actors/model/kernels/rows.hpp"
#include "actors/model/kernels/simd.hpp"
#include "actors/model/kernels/tiles.hpp"

namespace lamina {
namespace {

std::vector<float> noise(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values)
    v = normal(random);
  return values;
}

// A matrix and what it points into; `exact` is what it is multiplied as.
struct stored {
  std::vector<std::byte> bytes;
  std::vector<float> scales;
  std::vector<float> exact;
  matrix view;

  stored(const std::vector<float>& values, weight_type element,
         std::uint32_t rows, std::uint32_t columns,
         dtype input = dtype::float32)
      : bytes(values.size() * size_of(element)), exact(values) {
    switch (element) {
      case weight_type::float32:
        std::memcpy(bytes.data(), values.data(), bytes.size());
        break;
      case weight_type::bfloat16:
        round_to(dtype::bfloat16, exact.data(), exact.size());
        narrow_row(values.data(), values.size(), dtype::bfloat16, bytes.data());
        break;
      case weight_type::int8:
        quantise(rows, columns);
        break;
    }
    view = {bytes.data(), element, rows,
            columns,      input,   scales.empty() ? nullptr : scales.data()};
  }
  stored(const stored&) = delete;
  stored& operator=(const stored&) = delete;

 private:
  void quantise(std::uint32_t rows, std::uint32_t columns) {
    quantisation_error ignored;
    scales.resize(padded_rows(rows));
    bytes.resize(padded_rows(rows) * columns);
    auto* q = reinterpret_cast<std::int8_t*>(bytes.data());
    for (std::size_t r = 0; r < rows; r += block_rows) {
      const std::size_t count = std::min<std::size_t>(rows - r, block_rows);
      quantise_block(std::span(exact).subspan(r * columns, count * columns),
                     columns, q + r * columns, scales.data() + r, ignored);
    }
    const matrix made{bytes.data(), weight_type::int8, rows,
                      columns,      dtype::float32,    scales.data()};
    for (std::size_t r = 0; r < rows; ++r)
      widen_row(made, r, std::span(exact).subspan(r * columns, columns));
  }
};

struct elements {
  weight_type weights;
  dtype input;
};

struct shape {
  std::uint32_t rows, outputs, columns;
};

class Linear
    : public ::testing::TestWithParam<std::tuple<matmul, elements, shape>> {
 protected:
  static bool fits(const matrix& w) {
    return tiles_fit(w) || int8_tiles_fit(w);
  }

  void SetUp() override {
    const auto [path, of, s] = GetParam();
    if (path == matmul::tiles &&
        !fits({nullptr, of.weights, s.outputs, s.columns, of.input}))
      GTEST_SKIP() << "not whole tiles";

    if (path == matmul::tiles && !tiles_available())
      GTEST_SKIP() << "this CPU has no tiles";
    if (path == matmul::dots &&
        !dots_fit({nullptr, of.weights, s.outputs, s.columns, of.input}))
      GTEST_SKIP() << "not bfloat16 on both sides";
    if (path == matmul::dots && !dots_available())
      GTEST_SKIP() << "this CPU has no dot products";
  }
};

TEST_P(Linear, EqualsAPlainLoop) {
  const auto [path, of, s] = GetParam();
  const stored weights(noise(std::size_t{s.outputs} * s.columns, 1), of.weights,
                       s.outputs, s.columns, of.input);
  const auto x = noise(std::size_t{s.rows} * s.columns, 2);
  std::vector<float> out(std::size_t{s.rows} * s.outputs, -7.0f), twice = out;
  linear_by(path, x.data(), s.rows,
            std::array{projection{weights.view, out.data()},
                       projection{weights.view, twice.data()}});
  EXPECT_EQ(out, twice);
  auto read = x;
  round_to(of.input, read.data(), read.size());
  for (std::uint32_t r = 0; r < s.rows; ++r)
    for (std::uint32_t o = 0; o < s.outputs; ++o) {
      double sum = 0;
      for (std::uint32_t c = 0; c < s.columns; ++c)
        sum += static_cast<double>(read[r * s.columns + c]) *
               weights.exact[o * s.columns + c];
      ASSERT_NEAR(out[r * s.outputs + o], sum, 1e-5 * std::sqrt(s.columns) * 4)
          << "row " << r << ", output " << o;
    }
}

// Odd sizes reach every tail; 1300 columns are no multiple of anything; whole
// columns of tiles with all kinds of outputs and rows.
INSTANTIATE_TEST_SUITE_P(
    Shapes, Linear,
    ::testing::Combine(
        ::testing::Values(matmul::tiles, matmul::dots, matmul::simd,
                          matmul::gemm),
        ::testing::Values(elements{weight_type::float32, dtype::float32},
                          elements{weight_type::bfloat16, dtype::float32},
                          elements{weight_type::bfloat16, dtype::bfloat16},
                          elements{weight_type::int8, dtype::float32},
                          elements{weight_type::int8, dtype::bfloat16}),
        ::testing::Values(shape{1, 8, 64}, shape{1, 33, 19}, shape{2, 70, 48},
                          shape{3, 7, 5}, shape{4, 37, 31}, shape{8, 5, 1300},
                          shape{1, 3, 1300}, shape{13, 41, 64},
                          shape{32, 9, 40}, shape{33, 9, 40},
                          shape{40, 300, 70}, shape{1, 16, 32},
                          shape{3, 33, 64}, shape{16, 48, 96},
                          shape{17, 49, 64}, shape{70, 257, 64},
                          shape{70, 100, 544}, shape{600, 140, 1024})));

// Rows and weights that memory happens to place badly are as good as any.
TEST(Kernels, LinearReadsWeightsThatAreAlignedForTheirElementOnly) {
  const auto weights = noise(32 * 64, 1), x = noise(64, 2);
  std::vector<std::byte> bytes(32 * 64 * 2 + 2);
  narrow_row(weights.data(), weights.size(), dtype::bfloat16, bytes.data());
  std::vector<float> here(32), there(32);
  const matrix w{bytes.data(), weight_type::bfloat16, 32, 64, dtype::bfloat16};
  linear(x.data(), 1, std::array{projection{w, here.data()}});
  std::memmove(bytes.data() + 2, bytes.data(), bytes.size() - 2);
  const matrix shifted{bytes.data() + 2, weight_type::bfloat16, 32, 64,
                       dtype::bfloat16};
  linear(x.data(), 1, std::array{projection{shifted, there.data()}});
  EXPECT_EQ(here, there);
}

// Kernels as a CPU without the newer instructions would run them.
class OlderCpu : public ::testing::TestWithParam<weight_type> {
 protected:
  void TearDown() override { choose(0); }

  // 0: what there is.
  static void choose(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().DeInit();
  }
};

TEST_P(OlderCpu, FewRowsEqualWhatThisOneComputes) {
  constexpr std::uint32_t rows = 7, outputs = 37, columns = 200;
  const stored weights(noise(outputs * columns, 1), GetParam(), outputs,
                       columns);
  const matrix& w = weights.view;
  const auto x = noise(rows * columns, 2);
  std::vector<float> here(rows * outputs), older(rows * outputs);
  linear_by(matmul::simd, x.data(), rows,
            std::array{projection{w, here.data()}});
  const std::int64_t all = hwy::SupportedTargets();
  for (const std::int64_t target : {HWY_AVX2, HWY_SSE4, HWY_SSSE3}) {
    if ((all & target) == 0) continue;
    choose(target);
    linear_by(matmul::simd, x.data(), rows,
              std::array{projection{w, older.data()}});
    EXPECT_STREQ(simd_target(), hwy::TargetName(target));
    for (std::size_t i = 0; i < here.size(); ++i)
      ASSERT_NEAR(here[i], older[i], 2e-4) << hwy::TargetName(target);
  }
}

INSTANTIATE_TEST_SUITE_P(Elements, OlderCpu,
                         ::testing::Values(weight_type::float32,
                                           weight_type::bfloat16,
                                           weight_type::int8));

class AnyRows
    : public ::testing::TestWithParam<std::tuple<matmul, weight_type>> {};

// Alone, in a batch, and in a prefill of several slices of packed rows.
TEST_P(AnyRows, ARowHasTheSameBitsAloneAndInABatch) {
  const auto [path, element] = GetParam();
  if (path == matmul::tiles && !tiles_available())
    GTEST_SKIP() << "this CPU has no tiles";
  if (path == matmul::dots && !dots_available())
    GTEST_SKIP() << "this CPU has no dot products";
  constexpr std::uint32_t outputs = 50, columns = 1056;
  const stored weights(noise(outputs * columns, 1), element, outputs, columns,
                       dtype::bfloat16);
  if (path == matmul::dots && element == weight_type::int8)
    GTEST_SKIP() << "not bfloat16 on both sides";
  for (const std::uint32_t rows : {3u, 9u, 33u, 600u}) {
    const auto x = noise(rows * columns, 2);
    std::vector<float> batch(rows * outputs), alone(outputs);
    linear_by(path, x.data(), rows,
              std::array{projection{weights.view, batch.data()}});
    for (std::size_t r = 0; r < rows; ++r) {
      linear_by(path, x.data() + r * columns, 1,
                std::array{projection{weights.view, alone.data()}});
      for (std::size_t o = 0; o < outputs; ++o)
        ASSERT_EQ(batch[r * outputs + o], alone[o]) << r << " of " << rows;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Paths, AnyRows,
    ::testing::Combine(
        ::testing::Values(matmul::tiles, matmul::dots, matmul::simd),
        ::testing::Values(weight_type::bfloat16, weight_type::int8)));

TEST(Kernels, OnePathIsChosenForAllRows) {
  const matrix whole{nullptr, weight_type::bfloat16, 64, 64, dtype::bfloat16};
  const matrix wide{nullptr, weight_type::bfloat16, 64, 64, dtype::float32};
  const auto chosen = [](const matrix& w, std::uint32_t rows) {
    return choose_matmul(rows, std::array{projection{w, nullptr}});
  };
  for (const std::uint32_t rows : {1u, 16u, 4096u}) {
    if (tiles_available()) {
      EXPECT_EQ(chosen(whole, rows), matmul::tiles);
    } else if (dots_pay()) {
      EXPECT_EQ(chosen(whole, rows), matmul::dots);
    } else {
      EXPECT_EQ(chosen(whole, rows), chosen(wide, rows));
    }
  }
  EXPECT_EQ(chosen(wide, 1), matmul::simd);
  EXPECT_EQ(chosen(wide, 4096),
            simd_rows_max(wide.element) < 4096 ? matmul::gemm : matmul::simd);
}

// SIMD takes sums as tiles do: which of them multiplies is not to be seen.
TEST(Kernels, Int8RowsHaveTheSameBitsAsInt8Tiles) {
  if (!tiles_available()) GTEST_SKIP() << "this CPU has no tiles";
  for (const auto& [rows, outputs, columns] :
       {shape{1, 16, 32}, shape{5, 70, 96}, shape{16, 100, 768},
        shape{33, 33, 2048}, shape{70, 300, 1056}}) {
    const stored weights(noise(std::size_t{outputs} * columns, 1),
                         weight_type::int8, outputs, columns, dtype::bfloat16);
    for (const float size : {1.0f, 1e-20f, 1e20f}) {
      auto x = noise(std::size_t{rows} * columns, 2);
      for (float& value : x)
        value *= size;
      std::vector<float> simd(std::size_t{rows} * outputs), tiles = simd;
      linear_by(matmul::simd, x.data(), rows,
                std::array{projection{weights.view, simd.data()}});
      linear_by(matmul::tiles, x.data(), rows,
                std::array{projection{weights.view, tiles.data()}});
      EXPECT_EQ(simd, tiles) << rows << " x " << outputs << " x " << columns;
    }
  }
}

TEST(Quantise, TakesTheNearestOf255) {
  const std::vector<float> w = {1.27f, -0.005f, 0.015f, -1.27f, 0.634f, 0};
  std::vector<std::int8_t> q(w.size());
  quantisation_error error;
  EXPECT_FLOAT_EQ(quantise_row(w, q.data(), error), 0.01f);
  EXPECT_EQ(q[0], 127);
  EXPECT_EQ(q[3], -127);
  EXPECT_EQ(q[4], 63);
  EXPECT_EQ(q[5], 0);
  double lost = 0, squares = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_LE(std::abs(w[i] - q[i] * 0.01), 0.005 + 1e-7);
    lost += std::pow(w[i] - q[i] * 0.01, 2);
    squares += std::pow(w[i], 2);
  }
  EXPECT_NEAR(error.relative(), std::sqrt(lost / squares), 1e-6);
}

TEST(Quantise, RowsOfNothingStayNothing) {
  for (const float w : {0.0f, 1e-40f, -1e-40f}) {
    std::vector<std::int8_t> q(5, 7);
    quantisation_error error;
    EXPECT_EQ(quantise_row(std::vector<float>(5, w), q.data(), error), 0);
    EXPECT_EQ(q, std::vector<std::int8_t>(5, 0));
  }
}

TEST(Kernels, ThreadLimitHoldsForItsScopeAndThreadOnly) {
  const thread_limit outer(3);
  {
    const thread_limit inner(1);
    std::thread([] { const thread_limit other(2); }).join();
  }
  // What the scope changed is back: matmul works on as before.
  std::vector<float> x(8, 1.0f), out(1);
  const stored ones(x, weight_type::float32, 1, 8);
  linear(x.data(), 1, std::array{projection{ones.view, out.data()}});
  EXPECT_EQ(out[0], 8.0f);
}

TEST(Kernels, RmsNormEqualsItsDefinition) {
  for (const std::size_t width : {7, 64, 100}) {
    const auto x = noise(3 * width, 1);
    const auto gain = noise(width, 2);
    std::vector<float> out(3 * width);
    rms_norm(x.data(), 3, gain, 1e-5f, out.data());
    for (std::size_t r = 0; r < 3; ++r) {
      double square = 0;
      for (std::size_t i = 0; i < width; ++i)
        square += std::pow(static_cast<double>(x[r * width + i]), 2);
      const double scale = 1 / std::sqrt(square / width + 1e-5);
      for (std::size_t i = 0; i < width; ++i)
        ASSERT_NEAR(out[r * width + i], x[r * width + i] * scale * gain[i],
                    2e-6);
    }
  }
}

TEST(Kernels, SiluMultiplyEqualsItsDefinition) {
  auto gate = noise(10'003, 1);
  gate[0] = -200;
  gate[1] = 200;
  const auto up = noise(gate.size(), 2);
  auto out = gate;
  silu_multiply(out.data(), up.data(), out.size());
  for (std::size_t i = 0; i < gate.size(); ++i)
    ASSERT_NEAR(out[i],
                gate[i] / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i],
                1e-5 * (1 + std::abs(gate[i])));
}

TEST(Kernels, LayerNormEqualsItsDefinition) {
  for (const std::size_t width : {1u, 5u, 64u, 771u}) {
    auto x = noise(3 * width, 1);
    for (float& value : x)
      value += 30;  // far from zero: the mean must go first
    const auto gain = noise(width, 2);
    const auto bias = noise(width, 3);
    std::vector<float> out(3 * width);
    layer_norm(x.data(), 3, gain, bias, 1e-5f, out.data());
    for (std::size_t r = 0; r < 3; ++r) {
      double mean = 0, square = 0;
      for (std::size_t i = 0; i < width; ++i)
        mean += x[r * width + i] / static_cast<double>(width);
      for (std::size_t i = 0; i < width; ++i)
        square += std::pow(x[r * width + i] - mean, 2);
      const double scale = 1 / std::sqrt(square / width + 1e-5);
      for (std::size_t i = 0; i < width; ++i)
        ASSERT_NEAR(out[r * width + i],
                    (x[r * width + i] - mean) * scale * gain[i] + bias[i],
                    1e-4);
    }
  }
}

TEST(Kernels, GeluEqualsItsDefinition) {
  auto x = noise(10'003, 1);
  x[0] = -200;
  x[1] = 200;
  auto out = x;
  gelu_tanh(out.data(), out.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    const double inner = std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
    ASSERT_NEAR(out[i], 0.5 * v * (1 + std::tanh(inner)),
                1e-6 * (1 + std::abs(v)));
  }
}

TEST(Kernels, AnEmptyBiasAddsNothing) {
  std::vector<float> x = {1, 2, 3, 4};
  add_bias(x.data(), 2, {});
  EXPECT_EQ(x, (std::vector<float>{1, 2, 3, 4}));
  add_bias(x.data(), 2, std::vector<float>{10, 20});
  EXPECT_EQ(x, (std::vector<float>{11, 22, 13, 24}));
}

TEST(Kernels, RoundingToBfloat16IsToNearestEven) {
  const auto rounded = [](std::uint32_t bits) {
    float x = std::bit_cast<float>(bits);
    round_to(dtype::bfloat16, &x, 1);
    return std::bit_cast<std::uint32_t>(x);
  };
  EXPECT_EQ(rounded(0x3f800000), 0x3f800000u);  // 1
  EXPECT_EQ(rounded(0x3f807fff), 0x3f800000u);  // below the middle
  EXPECT_EQ(rounded(0x3f808000), 0x3f800000u);  // the middle, to even
  EXPECT_EQ(rounded(0x3f818000), 0x3f820000u);  // the middle, to even
  EXPECT_EQ(rounded(0x3f808001), 0x3f810000u);
  EXPECT_EQ(rounded(0x7f7fffff), 0x7f800000u);  // overflows to infinity
  EXPECT_EQ(rounded(0xff800000), 0xff800000u);
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(rounded(0x7f800001))));
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(rounded(0xffffffff))));
}

TEST(Kernels, RotateHalfTurnsPairs) {
  std::vector<float> x = {1, 2, 3, 4};
  const std::vector<float> cosines = {0, 1}, sines = {1, 0};
  rotate_half(x.data(), 1, 2, cosines.data(), sines.data());
  EXPECT_EQ(x, (std::vector<float>{-3, 2, 1, 4}));
}

struct attention_case {
  dtype element;
  std::uint32_t heads, kv_heads, dim, first, count;
};

class Attention : public ::testing::TestWithParam<attention_case> {};

// Keys and values as the cache holds them, for the plain loop.
struct history {
  std::vector<float> keys, values;

  history(const attention_case& c, std::uint32_t length, kv_cache& cache,
          std::uint32_t seed)
      : keys(noise(std::size_t{length} * c.kv_heads * c.dim, seed)),
        values(noise(keys.size(), seed + 1)) {
    round_to(c.element, keys.data(), keys.size());
    round_to(c.element, values.data(), values.size());
    cache.extend(length);
    const std::size_t row = std::size_t{c.kv_heads} * c.dim;
    for (std::uint32_t p = 0; p < length; ++p)
      cache.store(1, p, keys.data() + p * row, values.data() + p * row);
  }
};

void expect_attended(const attention_case& c, const history& h,
                     const float* queries, const float* out) {
  for (std::uint32_t i = 0; i < c.count; ++i)
    for (std::uint32_t head = 0; head < c.heads; ++head) {
      const std::size_t at = (std::size_t{i} * c.heads + head) * c.dim;
      const std::uint32_t kv = head / (c.heads / c.kv_heads);
      std::vector<double> weights, mixed(c.dim);
      double total = 0;
      for (std::uint32_t t = 0; t <= c.first + i; ++t) {
        double score = 0;
        for (std::uint32_t d = 0; d < c.dim; ++d)
          score += static_cast<double>(queries[at + d]) *
                   h.keys[(std::size_t{t} * c.kv_heads + kv) * c.dim + d];
        weights.push_back(std::exp(score / std::sqrt(c.dim)));
        total += weights.back();
        for (std::uint32_t d = 0; d < c.dim; ++d)
          mixed[d] += weights.back() *
                      h.values[(std::size_t{t} * c.kv_heads + kv) * c.dim + d];
      }
      for (std::uint32_t d = 0; d < c.dim; ++d)
        ASSERT_NEAR(out[at + d], mixed[d] / total, 2e-5)
            << "row " << i << ", head " << head;
    }
}

TEST_P(Attention, EqualsAPlainLoop) {
  const auto c = GetParam();
  kv_cache cache({2, c.kv_heads, c.dim, c.element});
  kv_cache other({2, c.kv_heads, c.dim, c.element});
  const history h(c, c.first + c.count, cache, 1);
  const history beside(c, c.first + c.count, other, 5);
  const std::size_t row = std::size_t{c.heads} * c.dim;
  const auto queries = noise(2 * c.count * row, 9);
  std::vector<float> out(queries.size());
  const std::array spans{step_span{&cache, c.first, c.count, 0},
                         step_span{&other, c.first, c.count, c.count}};
  attend(spans, 1, c.heads, queries.data(), out.data());
  expect_attended(c, h, queries.data(), out.data());
  expect_attended(c, beside, queries.data() + c.count * row,
                  out.data() + c.count * row);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Attention,
    ::testing::Values(attention_case{dtype::float32, 4, 2, 16, 0, 1},
                      attention_case{dtype::float32, 4, 4, 16, 0, 40},
                      attention_case{dtype::float32, 6, 2, 32, 63, 1},
                      attention_case{dtype::float32, 6, 2, 32, 64, 1},
                      attention_case{dtype::bfloat16, 6, 2, 32, 100, 70},
                      attention_case{dtype::bfloat16, 5, 1, 20, 200, 3},
                      attention_case{dtype::float32, 2, 1, 6, 10, 5}));

TEST(KvCache, PrefixSharesWholePagesAndCopiesOnWrite) {
  kv_cache cache({1, 1, 2, dtype::float32});
  cache.extend(100);
  const std::vector<float> ones = {1, 1}, twos = {2, 2};
  for (position_t p = 0; p < 100; ++p)
    cache.store(0, p, ones.data(), ones.data());
  kv_cache part = cache.prefix(70);
  EXPECT_EQ(part.length(), 70u);
  EXPECT_EQ(part.keys(0, 0, 0), cache.keys(0, 0, 0));
  part.extend(1);
  part.store(0, 70, twos.data(), twos.data());
  EXPECT_EQ(part.keys(0, 0, 0), cache.keys(0, 0, 0));
  EXPECT_NE(part.keys(1, 0, 0), cache.keys(1, 0, 0));
  const auto at = [](const kv_cache& c, position_t p) {
    return reinterpret_cast<const float*>(c.keys(p / 64, 0, 0))[p % 64 * 2];
  };
  EXPECT_EQ(at(cache, 70), 1);
  EXPECT_EQ(at(part, 70), 2);
  EXPECT_EQ(at(part, 69), 1);
  part.truncate(64);
  EXPECT_EQ(part.bytes(), cache.bytes() / 2);
}

}  // namespace
}  // namespace lamina

#include "actors/audit/fidelity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "actors/audit/verification.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

constexpr capture_shape shape{9, 64, dtype::float32};

struct compared {
  stored_header header;
  comparison found;
};

compared compare_kept(quality kept, const raw_chunk_ptr& now,
                      std::uint32_t rows = 16) {
  const auto value = encode({sample_name(), site::resid_post, 0},
                            *walk_chunk(shape), rows, kept);
  verification check;
  const auto header = check.verify(value, shape).value();
  std::vector<std::uint32_t> slots(shape.slots());
  std::iota(slots.begin(), slots.end(), 0u);
  return {header,
          compare(header, check.rows(), *copy_rows(*now, slots, 0, 16))};
}

/// The same rows, every number of one row larger by a part.
raw_chunk_ptr scaled(std::uint32_t layer, std::uint32_t row, float factor) {
  auto chunk = walk_chunk(shape);
  const auto slot = slot_of(site::resid_post, layer, shape.layers);
  std::vector<float> numbers(shape.width);
  widen_row(chunk->row(slot, row), shape.element, numbers);
  for (auto& x : numbers)
    x *= factor;
  narrow(numbers, shape.element, chunk->row(slot, row).data());
  return chunk;
}

TEST(Fidelity, LosslessRowsAreIdenticalBitForBit) {
  const auto [header, result] =
      compare_kept(quality::lossless, walk_chunk(shape));
  EXPECT_EQ(result.found.rows_compared, 9u * 16);
  EXPECT_EQ(result.found.rows_identical, 9u * 16);
  EXPECT_EQ(result.found.true_error_max, 0);
  EXPECT_EQ(result.rows_beyond, 0u);
}

TEST(Fidelity, TheTrueErrorOfLossyRowsIsWhatTheyWereStoredWith) {
  for (const auto kept : {quality::high, quality::balanced, quality::small}) {
    const auto [header, result] = compare_kept(kept, walk_chunk(shape));
    EXPECT_EQ(result.rows_beyond, 0u);
    EXPECT_GT(result.found.true_error_max, 0);
    // Stored errors are never below the true ones.
    EXPECT_LE(result.found.true_error_max, header.errors.row * 1.0001f);
    EXPECT_GE(result.found.true_error_max, header.errors.row * 0.9f);
    EXPECT_LE(result.found.true_error_mean(), result.found.true_error_max);
  }
}

TEST(Fidelity, ARowThatDiffersByMoreThanItsErrorIsNamed) {
  const auto [header, result] =
      compare_kept(quality::lossless, scaled(7, 11, 1.01f));
  EXPECT_EQ(result.rows_beyond, 1u);
  EXPECT_EQ(result.worst.layer, 7u);
  EXPECT_EQ(result.worst.row, 11u);
  EXPECT_NEAR(result.worst.error, 0.0099, 1e-4);
  EXPECT_EQ(result.found.rows_identical, 9u * 16 - 1);
}

TEST(Fidelity, TheLastDigitsOfAnotherBatchAreNoDisagreement) {
  const auto [header, result] =
      compare_kept(quality::lossless, scaled(2, 3, 1.00001f));
  EXPECT_EQ(result.rows_beyond, 0u);
  EXPECT_LT(result.found.rows_identical, result.found.rows_compared);
}

TEST(Fidelity, NumbersThatAreNoneDisagreeUnlessTheyAreTheSameBits) {
  EXPECT_EQ(
      compare_kept(quality::lossless, scaled(0, 0, NAN)).found.rows_beyond, 1u);
  EXPECT_EQ(
      compare_kept(quality::lossless, scaled(0, 0, INFINITY)).found.rows_beyond,
      1u);
}

TEST(Fidelity, RowsThatAreNotStoredAreNotCompared) {
  const auto [header, result] =
      compare_kept(quality::lossless, walk_chunk(shape), 5);
  EXPECT_EQ(result.found.rows_compared, 9u * 5);
}

TEST(Fidelity, MeansAreOverValuesAndRows) {
  fidelity a, b;
  a.values = 1;
  a.stored_error_sum = 0.1;
  b.values = 3;
  b.stored_error_sum = 0.1;
  b.rows_compared = 4;
  b.true_error_sum = 0.2;
  a.include(b);
  EXPECT_DOUBLE_EQ(a.stored_error_mean(), 0.05);
  EXPECT_DOUBLE_EQ(a.true_error_mean(), 0.05);
  EXPECT_EQ(fidelity{}.true_error_mean(), 0);
}

}  // namespace
}  // namespace lamina

#include "actors/codec/codebook.hpp"

#include <gtest/gtest.h>

#include <random>

#include "actors/codec/codec.hpp"
#include "tests/unit/codec/row_errors.hpp"
#include "tests/unit/codec/sample_chunk.hpp"
#include "tests/unit/codec/targets.hpp"

namespace lamina {
namespace {

constexpr capture_shape shape{9, 64, dtype::bfloat16};

/// Rows around a mean of channel mod 7, of the slot's size; row 0 is massive.
raw_chunk_ptr biased_chunk(position_t first, unsigned seed) {
  auto chunk = std::make_shared<raw_chunk>(shape, first);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(shape.width);
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
    for (std::uint32_t row = 0; row < chunk_positions; ++row) {
      for (std::uint32_t c = 0; c < shape.width; ++c)
        x[c] = static_cast<float>((slot + 1) * (c % 7)) + normal(random);
      if (row == 0) x[9] = 5e4f;
      narrow(x, shape.element, chunk->row(slot, row).data());
    }
  return chunk;
}

codebook learned() {
  codebook_learner learner(shape);
  for (unsigned i = 0; i < 20; ++i)
    learner.add({biased_chunk(i * chunk_positions, i), 0, chunk_positions});
  EXPECT_EQ(learner.tokens(), 20 * 16 - 1);  // not the first of all
  return learner.finish();
}

TEST(Codebook, LearnsMeansAndPassesMassiveActivationsOver) {
  const codebook book = learned();
  for (const std::uint32_t slot : {0u, 4u, 10u})
    for (std::uint32_t c = 0; c < shape.width; ++c)
      EXPECT_NEAR(book.mean(slot)[c], (slot + 1) * (c % 7), 0.4)
          << slot << ", " << c;
}

TEST(Codebook, NumbersThatAreNotFiniteTeachNothing) {
  auto chunk = std::make_shared<raw_chunk>(shape, 16);
  const std::uint16_t nan = 0x7fc0;
  std::memcpy(chunk->row(3, 2).data(), &nan, 2);
  codebook_learner learner(shape);
  learner.add({chunk, 0, chunk_positions});
  const codebook book = learner.finish();
  for (const float mean : book.mean(3))
    EXPECT_EQ(mean, 0);
}

TEST(Codebook, ComesBackFromItsBytes) {
  const codebook book = learned();
  const auto bytes = book.serialise();
  EXPECT_EQ(bytes.size(), 16 + 2 * std::size_t{shape.slots()} * shape.width);
  const auto back = codebook::parse(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back.value().id(), book.id());
  EXPECT_EQ(back.value().shape(), shape);
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
    EXPECT_TRUE(std::ranges::equal(back.value().mean(slot), book.mean(slot)));
}

TEST(Codebook, OtherBytesAreRefused) {
  const auto sound = learned().serialise();
  for (std::size_t length = 0; length < sound.size(); length += 7)
    EXPECT_TRUE(codebook::parse(std::span(sound).first(length)).has_error());
  const auto with = [&](std::size_t at, int number) {
    auto bytes = sound;
    bytes[at] = static_cast<std::byte>(number);
    const auto parsed = codebook::parse(bytes);
    return parsed.has_error() ? parsed.error().code : error_code{};
  };
  EXPECT_EQ(with(0, 'X'), error_code::corrupt);
  EXPECT_EQ(with(4, 2), error_code::unsupported_version);
  EXPECT_EQ(with(6, 9), error_code::corrupt);
  EXPECT_EQ(with(7, 1), error_code::corrupt);
  EXPECT_EQ(with(8, 0), error_code::corrupt);
  EXPECT_EQ(with(11, 0xff), error_code::corrupt);
  EXPECT_EQ(with(15, 0xff), error_code::corrupt);
  auto infinite = sound;
  infinite[16] = std::byte{0x80};
  infinite[17] = std::byte{0x7f};
  EXPECT_EQ(codebook::parse(infinite).error().code, error_code::corrupt);
}

TEST(Codebook, SavesBitsWithinTheSameBounds) {
  const codebook book = learned();
  const auto chunk = biased_chunk(160, 99);
  for (const quality q : {quality::high, quality::balanced, quality::small}) {
    const value_key key{sample_name(), site::resid_post, 0};
    const auto with = encode(key, *chunk, 16, q, &book);
    EXPECT_LT(with.bytes.size(), encode(key, *chunk, 16, q).bytes.size());
    EXPECT_EQ(check(key, with.bytes).value().book, book.id());
    const auto values = encode_chunk(sample_name(), *chunk, 16, q, &book);
    const auto back = decode_slots(sample_name(), shape, 0, values, &book);
    ASSERT_TRUE(back.has_value());
    const row_errors errors = true_errors(*chunk, *back.value(), 16);
    EXPECT_LE(errors.row, bounds_of(q).row);
    EXPECT_LE(errors.ordinary, bounds_of(q).ordinary);
    on_every_target([&](const char* target) {
      const auto again = decode_slots(sample_name(), shape, 0, values, &book);
      for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
        EXPECT_TRUE(std::ranges::equal(again.value()->rows(slot),
                                       back.value()->rows(slot)))
            << target;
    });
  }
}

TEST(Codebook, ValuesThatNeedOneSayWhich) {
  const codebook book = learned();
  codebook_learner other(shape);
  other.add({biased_chunk(16, 7), 0, chunk_positions});
  const codebook wrong = other.finish();
  ASSERT_NE(wrong.id(), book.id());
  const auto values = encode_chunk(sample_name(), *biased_chunk(0, 3), 16,
                                   quality::balanced, &book);
  for (const codebook* given :
       {static_cast<const codebook*>(nullptr), &wrong}) {
    const auto rows = decode_slots(sample_name(), shape, 0, values, given);
    ASSERT_TRUE(rows.has_error());
    EXPECT_EQ(rows.error().code, error_code::corrupt);
    EXPECT_NE(rows.error().context.find(std::to_string(book.id())),
              std::string::npos);
  }
}

TEST(Codebook, LosslessValuesNeverNeedOne) {
  const codebook book = learned();
  const value_key key{sample_name(), site::resid_post, 0};
  const auto value =
      encode(key, *biased_chunk(0, 3), 16, quality::lossless, &book);
  EXPECT_EQ(check(key, value.bytes).value().book, 0u);
  EXPECT_EQ(value.bytes,
            encode(key, *biased_chunk(0, 3), 16, quality::lossless).bytes);
}

}  // namespace
}  // namespace lamina

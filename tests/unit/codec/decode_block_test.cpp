// Decoding only the rows and layers that somebody asked for.
#include <gtest/gtest.h>

#include <algorithm>

#include "actors/codec/codec.hpp"
#include "tests/unit/codec/sample_chunk.hpp"

namespace lamina {
namespace {

// Two values of resid_post at this width, the second with a short group.
constexpr capture_shape shape{20, 2048, dtype::bfloat16};

const book_shelf no_books;

result<std::size_t> fill(row_block& block,
                         const std::vector<stored_value_ptr>& values) {
  return decode_into(values, no_books, block);
}

TEST(DecodeBlock, GivesWhatTheWholeChunkHas) {
  const auto chunk = walk_chunk(shape);
  for (const quality kept : {quality::lossless, quality::balanced}) {
    const auto values = encode_chunk(sample_name(), *chunk, 16, kept);
    const auto whole = decode_chunk(sample_name(), shape, 0, values).value();
    row_block block(shape, 0, {20, 0, 7, 21, 16, 3}, 9, 11);
    EXPECT_EQ(fill(block, values).value(), 6u);
    for (const std::uint32_t slot : block.slots())
      for (std::uint32_t row = 9; row < 11; ++row)
        EXPECT_TRUE(
            std::ranges::equal(block.row(slot, row), whole->row(slot, row)))
            << to_string(kept) << " slot " << slot;
  }
}

TEST(DecodeBlock, SeveralMayFillOneBlock) {
  const auto chunk = walk_chunk(shape);
  const auto values =
      encode_chunk(sample_name(), *chunk, 16, quality::lossless);
  ASSERT_GT(values.size(), 2u);
  row_block block(shape, 0, {1, 20}, 0, 16);
  std::size_t filled = 0;
  for (const auto& value : values)
    filled += fill(block, {value}).value();
  EXPECT_EQ(filled, 2u);
  EXPECT_TRUE(std::ranges::equal(block.rows(20), chunk->rows(20)));
}

TEST(DecodeBlock, ChecksWhatNobodyHasChecked) {
  const auto chunk = walk_chunk(shape);
  auto value =
      encode({sample_name(), site::embed, 0}, *chunk, 16, quality::lossless);
  EXPECT_TRUE(value.checked);
  constexpr std::size_t checksum_at = 8;
  value.bytes[checksum_at] ^= std::byte{1};
  row_block block(shape, 0, {0}, 0, 1);
  EXPECT_EQ(fill(block, {std::make_shared<stored_value>(value)}).value(), 1u)
      << "a value that was checked is not hashed again";
  value.checked = false;
  const auto refused = fill(block, {std::make_shared<stored_value>(value)});
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, error_code::corrupt);
}

TEST(DecodeBlock, RefusesRowsThatAValueDoesNotHave) {
  const auto chunk = walk_chunk(shape);
  const auto values = encode_chunk(sample_name(), *chunk, 5, quality::high);
  row_block there(shape, 0, {1}, 4, 5);
  EXPECT_TRUE(fill(there, values).has_value());
  row_block beyond(shape, 0, {1}, 4, 6);
  EXPECT_EQ(fill(beyond, values).error().code, error_code::out_of_range);
}

TEST(DecodeBlock, RefusesAnotherModelsValues) {
  const auto values =
      encode_chunk(sample_name(), *walk_chunk(shape), 16, quality::lossless);
  row_block other({20, 1024, dtype::bfloat16}, 0, {1}, 0, 1);
  EXPECT_EQ(fill(other, values).error().code, error_code::corrupt);
}

TEST(DecodeBlock, FindsEachValuesBookOnTheShelf) {
  constexpr capture_shape small{4, 64, dtype::bfloat16};
  const auto chunk = walk_chunk(small);
  codebook_learner learner(small);
  learner.add({chunk, 0, chunk_positions});
  const auto book = std::make_shared<const codebook>(learner.finish());
  auto values =
      encode_chunk(sample_name(), *chunk, 16, quality::balanced, book.get());
  EXPECT_EQ(values[1]->book, book->id());
  EXPECT_EQ(book_named_by(values[1]->bytes), book->id());
  row_block block(small, 0, {0, 1, 2, 3, 4, 5}, 0, 16);
  const auto lost = decode_into(values, no_books, block);
  ASSERT_TRUE(lost.has_error());
  EXPECT_EQ(lost.error().code, error_code::corrupt);
  EXPECT_NE(lost.error().context.find("code book"), std::string::npos);
  const auto shelf = no_books.with(sample_name(), book);
  ASSERT_EQ(decode_into(values, *shelf, block).value(), 6u);
  const auto whole =
      decode_chunk(sample_name(), small, 0, values, book.get()).value();
  EXPECT_TRUE(std::ranges::equal(block.rows(3), whole->rows(3)));
}

TEST(BookShelf, ARootKeepsTheBookItHas) {
  constexpr capture_shape small{1, 8, dtype::bfloat16};
  const auto learned = [&](std::uint32_t seed_row) {
    codebook_learner learner(small);
    learner.add({walk_chunk(small), seed_row, seed_row + 1});
    return std::make_shared<const codebook>(learner.finish());
  };
  const auto first = learned(3), second = learned(4);
  ASSERT_NE(first->id(), second->id());
  const auto shelf = no_books.with(sample_name(), first);
  const auto both = shelf->with(sample_name(), second);
  EXPECT_EQ(both->of(sample_name()), first);
  EXPECT_EQ(both->find(second->id()), second.get());
  EXPECT_EQ(both->of(sample_name(1)), nullptr);
  EXPECT_EQ(shelf->size(), 1u) << "a shelf never changes";
  EXPECT_EQ(both->find(0), nullptr);
}

}  // namespace
}  // namespace lamina

// Rows that were asked for, packed in the order asked.
#include "actors/chunks/row_block.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lamina {
namespace {

constexpr capture_shape shape{3, 4, dtype::bfloat16};

/// Every byte of a row says which row it is.
raw_chunk_ptr told_apart() {
  auto chunk = std::make_shared<raw_chunk>(shape, 32);
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot)
    for (std::uint32_t row = 0; row < chunk_positions; ++row)
      std::ranges::fill(chunk->row(slot, row),
                        static_cast<std::byte>(slot * 16 + row));
  return chunk;
}

TEST(RowBlock, HoldsTheRowsAskedForInTheOrderAsked) {
  const auto block = copy_rows(*told_apart(), {3, 0}, 5, 8);
  EXPECT_EQ(block->first(), 32u);
  EXPECT_EQ(block->bytes(), 2 * 3 * shape.row_bytes());
  const auto all = block->of_places(0, 2);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t row = i / shape.row_bytes();
    EXPECT_EQ(std::to_integer<unsigned>(all[i]),
              (row < 3 ? 3 : 0) * 16 + 5 + row % 3);
  }
  EXPECT_EQ(block->row(0, 6)[0], std::byte{6});
  EXPECT_EQ(block->rows(3).size(), 3 * shape.row_bytes());
}

TEST(RowBlock, BecomesAChunkThatIsZeroElsewhere) {
  const auto ready = as_chunk(*copy_rows(*told_apart(), {1}, 2, 4));
  EXPECT_EQ(ready.begin, 2u);
  EXPECT_EQ(ready.end, 4u);
  EXPECT_EQ(ready.chunk->first(), 32u);
  EXPECT_EQ(ready.chunk->row(1, 3)[0], std::byte{16 + 3});
  EXPECT_EQ(ready.chunk->row(1, 4)[0], std::byte{0});
  EXPECT_EQ(ready.chunk->row(2, 3)[0], std::byte{0});
}

TEST(RowBlock, KnowsWhatASlotIsOf) {
  for (std::uint32_t slot = 0; slot < shape.slots(); ++slot) {
    const auto [at, layer] = site_layer_of(slot, shape.layers);
    EXPECT_EQ(slot_of(at, layer, shape.layers), slot);
  }
  EXPECT_EQ(site_layer_of(0, 3).at, site::embed);
  EXPECT_EQ(site_layer_of(2, 3).layer, 1u);
  EXPECT_EQ(site_layer_of(4, 3).at, site::final_norm);
}

}  // namespace
}  // namespace lamina

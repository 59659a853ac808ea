#include "actors/store/write_backlog.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

constexpr std::size_t value_bytes = 10'000;

put_chunk chunk(std::uint32_t index) {
  put_chunk op;
  op.conversation = 1;
  op.index = index;
  op.record.resid_post = presence::present;
  op.record.lens = presence::present;
  auto value = std::make_shared<stored_value>();
  value->bytes.resize(value_bytes);
  op.values.push_back(std::move(value));
  return op;
}

const put_chunk& kept(const write_backlog& b, std::size_t i) {
  return std::get<put_chunk>(b.ops()[i]);
}

TEST(WriteBacklog, KeepsOperationsInOrder) {
  write_backlog b(1 << 20);
  const std::vector<write_op> first{put_conversation{}, chunk(0)};
  const std::vector<write_op> second{chunk(1)};
  b.add(first);
  b.add(second);
  ASSERT_EQ(b.ops().size(), 3u);
  EXPECT_TRUE(std::holds_alternative<put_conversation>(b.ops()[0]));
  EXPECT_EQ(kept(b, 1).index, 0u);
  EXPECT_EQ(kept(b, 2).index, 1u);
  EXPECT_GE(b.bytes(), 2 * value_bytes);
  EXPECT_EQ(b.dropped(), 0u);
}

TEST(WriteBacklog, OverItsBudgetTheOldestActivationsGoAndTheRecordSaysSo) {
  write_backlog b(2 * value_bytes + 8'000);
  const std::vector<write_op> ops{chunk(0), chunk(1), chunk(2)};
  b.add(ops);
  ASSERT_EQ(b.ops().size(), 3u) << "tokens are kept";
  EXPECT_TRUE(kept(b, 0).values.empty());
  EXPECT_EQ(kept(b, 0).record.resid_post, presence::dropped);
  EXPECT_EQ(kept(b, 0).record.lens, presence::present);
  EXPECT_EQ(kept(b, 1).values.size(), 1u);
  EXPECT_EQ(kept(b, 2).record.resid_post, presence::present);
  EXPECT_EQ(b.dropped(), 1u);
  EXPECT_LE(b.bytes(), 2 * value_bytes + 8'000);
}

conversation_record record(conversation_id id, std::uint32_t positions) {
  conversation_record r;
  r.id = id;
  r.positions = positions;
  return r;
}

lens_block_ptr records(std::uint32_t row) {
  auto block = std::make_shared<lens_block>(make_lens_block(2));
  block->rows = row + 1;
  block->complete = 1u << row;
  return block;
}

TEST(WriteBacklog, ADeletedConversationDoesNotComeBack) {
  write_backlog b(1 << 20);
  auto other = chunk(0);
  other.conversation = 2;
  const std::vector<write_op> ops{put_conversation{record(1, 16)}, chunk(0),
                                  put_conversation{record(2, 16)}, other};
  b.add(ops);
  b.forget(1);
  ASSERT_EQ(b.ops().size(), 2u);
  EXPECT_EQ(std::get<put_conversation>(b.ops()[0]).record.id, 2u);
  EXPECT_EQ(kept(b, 1).conversation, 2u);
  EXPECT_LT(b.bytes(), 2 * value_bytes);
}

TEST(WriteBacklog, FailedForksAndDeletionsAreNotCarriedOutLater) {
  write_backlog b(1 << 20);
  const std::vector<write_op> ops{fork_conversation{1, record(2, 16)},
                                  delete_conversation{1}};
  b.add(ops);
  EXPECT_TRUE(b.empty());
}

TEST(WriteBacklog, AChunkThatIsWrittenAgainAndAgainIsKeptOnce) {
  write_backlog b(1 << 20);
  for (std::uint32_t round = 0; round < 50; ++round) {
    std::vector<write_op> ops{put_conversation{record(1, 16 * round)}};
    for (std::uint32_t i = 0; i <= round; ++i)
      ops.push_back(put_chunk{1, i, {}, {}, nullptr});
    b.add(ops);
  }
  EXPECT_EQ(b.ops().size(), 51u);
  EXPECT_LT(b.bytes(), 100'000u);
  EXPECT_EQ(std::get<put_conversation>(b.ops()[0]).record.positions, 784u);
}

TEST(WriteBacklog, ALaterRecordKeepsTheValuesAndLensOfTheEarlierOne) {
  write_backlog b(1 << 20);
  auto first = chunk(0);
  first.lens = records(0);
  auto later = first;
  later.values.clear();
  later.lens = records(1);
  later.record.resid_post = presence::dropped;
  later.record.lens = presence::on_demand;
  const std::vector<write_op> ops{first, later};
  b.add(ops);
  ASSERT_EQ(b.ops().size(), 1u);
  EXPECT_EQ(kept(b, 0).values.size(), 1u);
  EXPECT_EQ(kept(b, 0).lens->complete, 3u);
  EXPECT_EQ(kept(b, 0).record.resid_post, presence::present);
  EXPECT_EQ(kept(b, 0).record.lens, presence::present);
}

TEST(WriteBacklog, ATailThatFillsLeavesNothingOfItsOldName) {
  write_backlog b(1 << 20);
  auto tail = chunk(0);
  tail.record.tokens.resize(5);
  auto full = chunk(0);
  full.record.tokens.resize(chunk_positions);
  full.record.full = true;
  full.record.name.bytes[0] = 1;
  full.values.clear();
  const std::vector<write_op> ops{tail, full, tail};
  b.add(ops);
  ASSERT_EQ(b.ops().size(), 1u);
  EXPECT_TRUE(kept(b, 0).record.full) << "the second tail is late news";
  EXPECT_TRUE(kept(b, 0).values.empty());
}

TEST(WriteBacklog, LensRecordsCountAndGoAfterTheActivations) {
  auto op = chunk(0);
  op.lens = records(0);
  const auto lens_bytes = op.lens->records.size() * sizeof(lens_record);
  EXPECT_EQ(payload_bytes(op) - payload_bytes(chunk(0)), lens_bytes);
  EXPECT_GE(payload_bytes(put_lens{{}, op.lens}), lens_bytes);
  write_backlog b(2000);
  const std::vector<write_op> ops{op};
  b.add(ops);
  EXPECT_LE(b.bytes(), 2000u);
  EXPECT_EQ(kept(b, 0).record.resid_post, presence::dropped);
  EXPECT_EQ(kept(b, 0).lens, nullptr);
  EXPECT_EQ(kept(b, 0).record.lens, presence::on_demand);
}

TEST(WriteBacklog, WhatLiesBehindACutIsForgotten) {
  write_backlog b(1 << 20);
  const std::vector<write_op> ops{chunk(0), chunk(1), chunk(2),
                                  cut_chunks{1, 1}, chunk(1)};
  b.add(ops);
  ASSERT_EQ(b.ops().size(), 3u);
  EXPECT_EQ(kept(b, 0).index, 0u);
  EXPECT_EQ(std::get<cut_chunks>(b.ops()[1]).from, 1u);
  EXPECT_EQ(kept(b, 2).index, 1u);
}

TEST(WriteBacklog, IsEmptyAfterItWasCleared) {
  write_backlog b(1 << 20);
  const std::vector<write_op> ops{chunk(0)};
  b.add(ops);
  b.clear();
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.bytes(), 0u);
  b.add(ops);
  EXPECT_EQ(kept(b, 0).values.size(), 1u);
}

}  // namespace
}  // namespace lamina

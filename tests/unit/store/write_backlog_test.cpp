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

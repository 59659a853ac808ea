#include "actors/generations/turn_log.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace lamina {
namespace {

constexpr conversation_id id = 42;

digest a_root() {
  return root_of({});
}

turn_log empty_log(turn_promises promises = {}) {
  return turn_log(id, a_root(), {}, promises);
}

void append(turn_log& log, std::uint32_t count, token_id first = 0) {
  for (std::uint32_t i = 0; i < count; ++i)
    log.append({first + i, role::user, 0, "x"});
}

/// A log that continues what `before` has, as the next turn would.
turn_log continued(const turn_log& before, turn_promises promises = {}) {
  return turn_log(id, a_root(), before.chunks(), promises);
}

TEST(TurnLog, TokensFillChunksOfSixteen) {
  auto log = empty_log();
  append(log, 33);
  EXPECT_EQ(log.size(), 33u);
  ASSERT_EQ(log.chunks().size(), 3u);
  EXPECT_TRUE(log.chunk(0).full);
  EXPECT_TRUE(log.chunk(1).full);
  EXPECT_FALSE(log.chunk(2).full);
  EXPECT_EQ(log.token(17).id, 17u);
}

TEST(TurnLog, FullChunksAreNamedByTheirTokens) {
  auto log = empty_log();
  append(log, 32);
  std::vector<token_id> ids(32);
  std::iota(ids.begin(), ids.end(), 0u);
  auto keys = chunk_keys(a_root(), ids);
  EXPECT_EQ(log.chunk(0).name, keys[0]);
  EXPECT_EQ(log.chunk(1).name, keys[1]);
  EXPECT_EQ(log.ids(), ids);
}

TEST(TurnLog, TheOpenTailIsNamedByItsConversation) {
  auto log = empty_log();
  append(log, 15);
  EXPECT_EQ(log.chunk(0).name, tail_key(id, 0));
  append(log, 1, 15);
  EXPECT_NE(log.chunk(0).name, tail_key(id, 0));
}

TEST(TurnLog, AppendSaysWhichChunkChanged) {
  auto log = empty_log();
  append(log, 15);
  EXPECT_EQ(log.append({15, role::user, 0, {}}), 0u);
  EXPECT_EQ(log.append({16, role::user, 0, {}}), 1u);
}

TEST(TurnLog, PromisesAreWrittenToTheLedger) {
  auto captured = empty_log({true, lens_mode::on_demand});
  append(captured, 1);
  EXPECT_EQ(captured.chunk(0).resid_post, presence::pending);
  EXPECT_EQ(captured.chunk(0).embed, presence::pending);
  EXPECT_EQ(captured.chunk(0).lens, presence::on_demand);
  auto bare = empty_log({false, lens_mode::eager});
  append(bare, 1);
  EXPECT_EQ(bare.chunk(0).resid_post, presence::never_asked);
  EXPECT_EQ(bare.chunk(0).lens, presence::never_asked);
}

TEST(TurnLog, ANewConversationIsCapturedFromTheStart) {
  EXPECT_EQ(empty_log().capture_from(), 0u);
}

TEST(TurnLog, TheNextTurnIsCapturedFromTheOpenTail) {
  auto log = empty_log();
  append(log, 40);
  EXPECT_EQ(continued(log).capture_from(), 32u);
}

TEST(TurnLog, AtAChunkBoundaryOnlyNewTokensAreCaptured) {
  auto log = empty_log();
  append(log, 32);
  EXPECT_EQ(continued(log).capture_from(), 32u);
}

TEST(TurnLog, AChunkWithoutActivationsIsCapturedAgain) {
  auto log = empty_log();
  append(log, 48);
  log.chunk(1).resid_post = presence::dropped;
  EXPECT_EQ(continued(log).capture_from(), 16u);
}

TEST(TurnLog, ATurnThatGoesOnRenewsThePromiseOfTheTail) {
  auto first = empty_log();
  append(first, 20);
  first.chunk(1).resid_post = presence::present;
  auto second = continued(first);
  append(second, 1, 20);
  EXPECT_EQ(second.chunk(1).resid_post, presence::pending);
  EXPECT_EQ(second.chunk(1).tokens.size(), 5u);
}

TEST(InOrder, ReleasesByIndexWhateverTheOrderOfArrival) {
  in_order<int> queue(3);
  queue.put(4, 40);
  EXPECT_EQ(queue.take(), std::nullopt);
  queue.put(3, 30);
  EXPECT_EQ(queue.take(), 30);
  EXPECT_EQ(queue.take(), 40);
  EXPECT_EQ(queue.take(), std::nullopt);
  EXPECT_EQ(queue.next(), 5u);
}

TEST(TurnLog, SitesThatWereNeverAskedForStaySo) {
  chunk_record chunk;
  chunk.resid_post = presence::pending;
  mark_activations(chunk, presence::present);
  EXPECT_EQ(chunk.resid_post, presence::present);
  EXPECT_EQ(chunk.embed, presence::never_asked);
  EXPECT_EQ(chunk.final_norm, presence::never_asked);
  chunk.resid_post = presence::never_asked;
  mark_activations(chunk, presence::present);
  EXPECT_EQ(chunk.embed, presence::present) << "when none was, all are";
}

}  // namespace
}  // namespace lamina

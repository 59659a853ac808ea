#include "actors/catalog.hpp"

#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

class catalog_test : public actor_test {
 protected:
  catalog_test() { start(); }

  template <class Answer, class Question>
  Answer ask_catalog(Question q) {
    return ask<Answer>(view()->catalog, std::move(q));
  }

  std::size_t listed(std::uint32_t who = uid) {
    return ask_catalog<list_result>(list_conversations{who, "", 0})
        .value()
        .size();
  }
};

using CatalogTest = catalog_test;

TEST_F(CatalogTest, ASecondWriterIsToldThatTheConversationIsBusy) {
  complete_turn(turn("hello", 20));
  auto first = open(turn(" more", 50), newest_);
  ASSERT_TRUE(first);
  auto second = open(turn(" more", 50), newest_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, error_code::conversation_busy);
}

TEST_F(CatalogTest, AnothersConversationIsNotFound) {
  complete_turn(turn("hello", 20));
  constexpr std::uint32_t stranger = 1001;
  EXPECT_EQ(show(newest_, stranger).error().code, error_code::not_found);
  EXPECT_EQ(open(turn("x"), newest_, stranger).error().code,
            error_code::not_found);
  EXPECT_EQ(ask_catalog<acknowledgement>(remove_conversation{stranger, newest_})
                .error()
                .code,
            error_code::not_found);
  EXPECT_EQ(listed(stranger), 0u);
  EXPECT_EQ(listed(), 1u);
}

TEST_F(CatalogTest, AnUnknownModelIsNotFound) {
  auto opened =
      ask_catalog<result<turn_opened>>(open_turn{uid, "nobody", 0, turn("x")});
  EXPECT_EQ(opened.error().code, error_code::not_found);
}

TEST_F(CatalogTest, APositionBeyondTheLastIsOutOfRange) {
  complete_turn(turn("hello", 20));
  locate_positions where{uid, newest_, {10'000}, 0};
  EXPECT_EQ(ask_catalog<locate_result>(where).error().code,
            error_code::out_of_range);
}

TEST_F(CatalogTest, LocateGivesTheTokenItsNextAndTheContextBefore) {
  auto w = complete_turn(turn("hello", 20));
  locate_positions where{uid, newest_, {15}, 4};
  auto located = ask_catalog<locate_result>(where).value();
  const auto& at = located->positions.at(0);
  EXPECT_EQ(at.token.token.id, w.log->tokens[15].token.id);
  EXPECT_EQ(at.next->token.id, w.log->tokens[16].token.id);
  EXPECT_TRUE(at.next_name) << "position 16 is in the next chunk";
  ASSERT_EQ(located->context.size(), 4u);
  EXPECT_EQ(located->context.front().position, 11u);
}

TEST_F(CatalogTest, EverythingIsThereAfterARestart) {
  auto w = complete_turn(turn("hello", 40));
  auto id = newest_;
  ASSERT_TRUE(ask_catalog<record_result>(pin_conversation{uid, id, true}));
  stop();
  start();
  auto shown = show(id).value();
  EXPECT_TRUE(shown->record.pinned);
  EXPECT_EQ(shown->record.state, turn_state::complete);
  EXPECT_EQ(shown->record.preview, "hello");
  std::vector<token_id> before;
  std::vector<token_id> after;
  for (const auto& t : w.log->tokens)
    before.push_back(t.token.id);
  for (const auto& chunk : shown->chunks)
    for (const auto& t : chunk.tokens)
      after.push_back(t.id);
  EXPECT_EQ(after, before);
}

TEST_F(CatalogTest, AForkSharesItsFullChunks) {
  complete_turn(turn("a prompt that fills more than one chunk", 20));
  auto id = newest_;
  auto before = statistics();
  auto fork = ask_catalog<record_result>(split_conversation{uid, id, 20});
  ASSERT_TRUE(fork);
  EXPECT_EQ(fork.value().parent, id);
  auto after = statistics();
  EXPECT_EQ(after.values, before.values) << "nothing is written twice";
  EXPECT_EQ(after.references, before.references + 2);
  auto forked = show(fork.value().id).value();
  EXPECT_EQ(forked->chunks[0].name, show(id).value()->chunks[0].name);
  ASSERT_TRUE(ask_catalog<acknowledgement>(remove_conversation{uid, id}));
  finish();
  EXPECT_EQ(show(id).error().code, error_code::not_found);
  EXPECT_EQ(show(fork.value().id).value()->record.positions, 20u);
}

TEST_F(CatalogTest, AForkBeyondTheEndIsOutOfRange) {
  complete_turn(turn("hello", 5));
  for (position_t p : {0u, 5000u})
    EXPECT_EQ(ask_catalog<record_result>(split_conversation{uid, newest_, p})
                  .error()
                  .code,
              error_code::out_of_range);
}

TEST_F(CatalogTest, EqualPromptsAreStoredOnce) {
  std::string prompt(60, 'a');
  complete_turn(turn(prompt, 1));
  auto first = statistics();
  complete_turn(turn(prompt, 1));
  auto second = statistics();
  EXPECT_EQ(second.conversations, first.conversations + 1);
  // The full chunks are shared; the open tail belongs to its conversation.
  EXPECT_EQ(second.chunk_names, first.chunk_names + 1);
}

TEST_F(CatalogTest, DeletingEverythingLeavesNoValues) {
  complete_turn(turn("hello there", 40));
  ASSERT_TRUE(ask_catalog<acknowledgement>(remove_conversation{uid, newest_}));
  finish();
  auto s = statistics();
  EXPECT_EQ(s.conversations, 0u);
  EXPECT_EQ(s.values, 0u);
  EXPECT_EQ(s.tombstones, 0u);
}

TEST_F(CatalogTest, NoTurnBeginsWhileTheSystemDrains) {
  ask_catalog<turns_drained>(drain_turns{0});
  EXPECT_EQ(open(turn("x")).error().code, error_code::unavailable);
}

}  // namespace
}  // namespace lamina

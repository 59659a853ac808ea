// A conversation that begins like another one of its owner: it computes and
// stores what is new, and nothing of it is missing.
#include <numeric>

#include "actors/messages/answer_source.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/rows.hpp"
#include "actors/rows.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

class prefix_test : public actor_test {
 protected:
  // 59 tokens of the tiny model, or so; the first 48 at least are shared.
  static constexpr const char* document =
      "the quick brown fox jumps over the lazy dog and then it goes to sleep "
      "under the old tree by the river";

  prefix_test() { start(); }

  static std::shared_ptr<turn_options> question(
      const std::string& ending, lens_mode lens = lens_mode::deferred) {
    auto options = turn(document + ending, 12);
    options->lens = lens;
    return options;
  }

  wire::DoneT done_of(const std::shared_ptr<turn_options>& options,
                      conversation_id id = 0) {
    const auto w = complete_turn(options, id);
    EXPECT_TRUE(w.log->done);
    return w.log->done.value_or(wire::DoneT{});
  }

  std::uint64_t prefilled() {
    return ask<model_status>(view()->models.at("tiny").actor,
                             get_model_status{})
        .engine.tokens_prefilled;
  }

  /// Every row of every chunk is stored, and near what the model computes.
  void expect_complete(conversation_id id) {
    const auto shown = show(id).value();
    for (std::uint32_t i = 0; i < shown->chunks.size(); ++i) {
      const auto& chunk = shown->chunks[i];
      EXPECT_EQ(chunk.embed, presence::present) << i;
      EXPECT_EQ(chunk.resid_post, presence::present) << i;
      EXPECT_EQ(chunk.final_norm, presence::present) << i;
      const auto rows_of_chunk =
          static_cast<std::uint32_t>(chunk.tokens.size());
      auto wanted =
          load_rows::of(shown->record, chunk.name, i, 0, rows_of_chunk);
      wanted.slots.resize(wanted.shape.slots());
      std::iota(wanted.slots.begin(), wanted.slots.end(), 0u);
      wanted.position_end = first_position(i) + rows_of_chunk;
      wanted.stored_only = true;
      const auto stored = load(wanted);
      ASSERT_TRUE(stored) << i << ": " << to_string(stored.error());
      wanted.stored_only = false;
      wanted.recompute = true;
      const auto computed = load(wanted);
      ASSERT_TRUE(computed) << to_string(computed.error());
      expect_near(*stored.value().rows, *computed.value().rows);
    }
  }

  result<rows_loaded> load(const load_rows& wanted) {
    auto source = sys_->spawn(rows, view());
    auto loaded = ask<result<rows_loaded>>(rows_actor(source), wanted);
    caf::anon_send_exit(source, caf::exit_reason::user_shutdown);
    finish();
    return loaded;
  }

  static void expect_near(const row_block& a, const row_block& b) {
    ASSERT_EQ(a.bytes(), b.bytes());
    const auto count = a.bytes() / sizeof(float);
    const auto all = a.slots().size();
    const auto* x = reinterpret_cast<const float*>(a.of_places(0, all).data());
    const auto* y = reinterpret_cast<const float*>(b.of_places(0, all).data());
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_NEAR(x[i], y[i], 1e-3) << i;
  }
};

using PrefixTest = prefix_test;

TEST_F(PrefixTest, WhatAnotherConversationHasIsNeitherComputedNorStoredAgain) {
  const auto first = done_of(question(" what"));
  const auto values = statistics().values;
  const auto computed = prefilled();
  const auto second = done_of(question(" why"));
  EXPECT_TRUE(second.durable);
  const auto whole_chunks = second.prompt_tokens / chunk_positions - 1;
  EXPECT_GE(second.reused_tokens + 1, whole_chunks * chunk_positions);
  EXPECT_EQ(prefilled() - computed,
            second.prompt_tokens - second.reused_tokens);
  EXPECT_LT(statistics().values - values, values);
  EXPECT_LT(first.reused_tokens, second.reused_tokens);
  expect_complete(newest_);
}

TEST_F(PrefixTest, TheAnswerIsThatOfAConversationThatSharesNothing) {
  auto alone = question(" why");
  alone->capture = false;
  const auto expected = complete_turn(alone).log->text;
  const auto apart = newest_;
  ASSERT_TRUE(
      ask<acknowledgement>(view()->catalog, remove_conversation{uid, apart}));
  complete_turn(question(" what"));
  const auto w = complete_turn(question(" why"));
  ASSERT_TRUE(w.log->done);
  EXPECT_GT(w.log->done->reused_tokens, 0u);
  EXPECT_EQ(w.log->text, expected);
}

TEST_F(PrefixTest, AHitInTheKvCacheAloneLeavesNothingUncaptured) {
  auto plain = question(" what");
  plain->capture = false;
  complete_turn(plain);
  const auto second = done_of(question(" why"));
  EXPECT_EQ(second.reused_tokens, 0u);
  expect_complete(newest_);
}

TEST_F(PrefixTest, WithoutCaptureTheKvCacheAloneDecides) {
  complete_turn(question(" what"));
  auto plain = question(" why");
  plain->capture = false;
  EXPECT_GT(done_of(plain).reused_tokens, 32u);
}

TEST_F(PrefixTest, WhatIsKeptLessFaithfullyIsCapturedAgain) {
  auto rough = question(" what");
  rough->kept = quality::small;
  complete_turn(rough);
  EXPECT_EQ(done_of(question(" why")).reused_tokens, 0u);
  auto again = question(" when");
  again->kept = quality::small;
  EXPECT_GT(done_of(again).reused_tokens, 0u);
}

TEST_F(PrefixTest, ALensThatIsMissingIsMadeUnlessItIsWantedOnDemand) {
  complete_turn(question(" what", lens_mode::on_demand));
  EXPECT_EQ(done_of(question(" why", lens_mode::eager)).reused_tokens, 0u);
  for (const auto& chunk : newest_chunks())
    EXPECT_EQ(chunk.lens, presence::present);
}

TEST_F(PrefixTest, ALensThatIsThereIsThereForBoth) {
  complete_turn(question(" what", lens_mode::eager));
  EXPECT_GT(done_of(question(" why", lens_mode::deferred)).reused_tokens, 0u);
  for (const auto& chunk : newest_chunks())
    EXPECT_EQ(chunk.lens, presence::present);
}

TEST_F(PrefixTest, SomebodyElseComputesTheirOwn) {
  complete_turn(question(" what"));
  const auto opened = open(question(" why"), 0, uid + 1).value();
  const auto w = watch(opened.generation, {}, true);
  finish();
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->reused_tokens, 0u);
}

TEST_F(PrefixTest, TheOneMayGoAndTheOtherKeepsAll) {
  complete_turn(question(" what"));
  const auto first = newest_;
  const auto second = done_of(question(" why"));
  EXPECT_GT(second.reused_tokens, 0u);
  ASSERT_TRUE(
      ask<acknowledgement>(view()->catalog, remove_conversation{uid, first}));
  finish();
  stop();
  start();
  EXPECT_EQ(statistics().tombstones, 0u);
  expect_complete(newest_);
}

TEST_F(PrefixTest, AForkGoesOnFromTheCacheOfItsSource) {
  complete_turn(question(" what"));
  const auto positions = show(newest_).value()->record.positions;
  const auto fork = ask<record_result>(
      view()->catalog, split_conversation{uid, newest_, positions - 5});
  ASSERT_TRUE(fork);
  const auto id = fork.value().id;
  const auto w = complete_turn(turn(" and then", 6), id);
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->reused_tokens + 1,
            first_position(chunk_of(positions - 5)));
  expect_complete(id);
}

TEST_F(PrefixTest, TheNextTurnGoesOnLikeAnyOther) {
  complete_turn(question(" what"));
  complete_turn(question(" why"));
  const auto id = newest_;
  const auto next = done_of(turn(" and", 6), id);
  EXPECT_TRUE(next.durable);
  expect_complete(id);
}

TEST_F(PrefixTest, AfterARestartNothingIsTakenOnTrust) {
  complete_turn(question(" what"));
  stop();
  start();
  const auto second = done_of(question(" why"));
  EXPECT_EQ(second.reused_tokens, 0u);
  expect_complete(newest_);
}

}  // namespace
}  // namespace lamina

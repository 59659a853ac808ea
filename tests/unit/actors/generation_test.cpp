#include "actors/generation.hpp"

#include "actors/messages/codec.hpp"
#include "actors/messages/model.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {

struct encode_later {
  encode_rows rows;
  caf::typed_response_promise<rows_encoded> reply;
};

namespace {

class generation_test : public actor_test {
 protected:
  generation_test() { start(); }
};

using GenerationTest = generation_test;

std::vector<position_t> positions(const seen& log) {
  std::vector<position_t> p;
  for (const auto& t : log.tokens)
    p.push_back(t.position);
  return p;
}

std::vector<position_t> range(position_t begin, position_t end) {
  std::vector<position_t> p;
  for (auto i = begin; i < end; ++i)
    p.push_back(i);
  return p;
}

TEST_F(GenerationTest, AViewerSeesEveryTokenOnceAndThenDone) {
  auto w = complete_turn(turn("hello", 20));
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->finish, "length");
  EXPECT_EQ(w.log->done->new_tokens, 20u);
  EXPECT_TRUE(w.log->done->durable);
  EXPECT_EQ(positions(*w.log), range(0, w.log->done->positions));
}

TEST_F(GenerationTest, ALateViewerSeesTheSameTokens) {
  auto opened = open(turn("hello", 30)).value();
  auto first = watch(opened.generation);
  for (int i = 0; i < 200; ++i)
    scheduler().try_run_once();
  auto second = watch(opened.generation, 0);
  finish();
  ASSERT_TRUE(first.log->done);
  ASSERT_TRUE(second.log->done);
  EXPECT_EQ(positions(*first.log), positions(*second.log));
  EXPECT_EQ(first.log->text, second.log->text);
}

TEST_F(GenerationTest, AViewerWithoutCreditGetsTheRestInOneBatch) {
  auto opened = open(turn("hello", 30)).value();
  auto slow = watch(opened.generation, {}, false, false);
  finish();
  EXPECT_EQ(slow.log->batches, 1u);
  caf::anon_send(slow.handle, give_credit{});
  finish();
  EXPECT_EQ(slow.log->batches, 2u);
  caf::anon_send(slow.handle, give_credit{});
  finish();
  ASSERT_TRUE(slow.log->done);
  EXPECT_EQ(positions(*slow.log), range(0, slow.log->done->positions));
}

TEST_F(GenerationTest, TheDeathOfOneViewerHarmsNobody) {
  auto opened = open(turn("hello", 30)).value();
  auto first = watch(opened.generation);
  auto second = watch(opened.generation);
  caf::anon_send_exit(first.handle, caf::exit_reason::kill);
  finish();
  ASSERT_TRUE(second.log->done);
  EXPECT_EQ(second.log->done->finish, "length");
}

TEST_F(GenerationTest, ATurnThatNobodyWatchesIsCancelledAfterAWhile) {
  auto opened = open(turn("hello", 60)).value();
  auto only = watch(opened.generation);
  caf::anon_send_exit(only.handle, caf::exit_reason::kill);
  only.handle = nullptr;
  for (int i = 0; i < 40; ++i)
    scheduler().try_run_once();
  advance(options_.catalog.abandon_after);
  finish();
  auto shown = show(opened.conversation).value();
  EXPECT_EQ(shown->record.state, turn_state::cancelled);
}

TEST_F(GenerationTest, ATurnToldToKeepRunningFinishesUnwatched) {
  auto options = turn("hello", 30);
  options->keep_running = true;
  auto opened = open(options).value();
  auto only = watch(opened.generation);
  caf::anon_send_exit(only.handle, caf::exit_reason::kill);
  advance(options_.catalog.abandon_after);
  finish();
  EXPECT_EQ(show(opened.conversation).value()->record.state,
            turn_state::complete);
}

TEST_F(GenerationTest, CancelKeepsTheTokensProduced) {
  auto opened = open(turn("hello", 60)).value();
  auto w = watch(opened.generation, {}, true);
  for (int i = 0; i < 40; ++i)
    scheduler().try_run_once();
  caf::anon_send(opened.generation, cancel_turn{});
  finish();
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->finish, "cancelled");
  EXPECT_LT(w.log->done->new_tokens, 60u);
  EXPECT_EQ(w.log->tokens.size(), w.log->done->positions);
}

TEST_F(GenerationTest, AnExceptionInTheModelFailsTheTurnAndTheNextOneWorks) {
  auto opened = open(turn("hello", 60)).value();
  auto w = watch(opened.generation);
  for (int i = 0; i < 40; ++i)
    scheduler().try_run_once();
  caf::anon_send(view()->models.at("tiny").actor,
                 inject_model_fault{"cosmic ray"});
  finish();
  ASSERT_TRUE(w.log->failed);
  EXPECT_EQ(w.log->failed->code, error_code::unavailable);
  EXPECT_NE(w.log->failed->context.find("cosmic ray"), std::string::npos);
  EXPECT_EQ(show(opened.conversation).value()->record.state,
            turn_state::failed);
  auto again = complete_turn(turn("hello", 20));
  ASSERT_TRUE(again.log->done);
  EXPECT_TRUE(again.log->done->durable);
}

TEST_F(GenerationTest, TheLedgerSaysPresentWhenEverythingIsDurable) {
  for (auto mode : {lens_mode::eager, lens_mode::deferred}) {
    auto options = turn("a text of some length, longer than a chunk", 20);
    options->lens = mode;
    complete_turn(options);
    const auto shown = show(newest_).value();
    for (const auto& chunk : shown->chunks) {
      EXPECT_EQ(chunk.resid_post, presence::present);
      EXPECT_EQ(chunk.lens, presence::present) << to_string(mode);
    }
  }
}

using late_codec = codec_actor::extend<reacts_to<encode_later>>;

/// A codec that lets everything else come first.
late_codec::behavior_type late(late_codec::pointer self, codec_actor real) {
  return {
      [self](const encode_rows& m) {
        auto promise = self->make_response_promise<
            caf::typed_response_promise<rows_encoded>>();
        self->delayed_send(self, std::chrono::milliseconds(50),
                           encode_later{m, promise});
        return promise;
      },
      [](const decode_values&) -> values_decoded {
        return fail(error_code::internal, "nobody decodes here");
      },
      [](const get_codec_status&) { return codec_status{}; },
      [self, real](const encode_later& m) {
        self->request(real, caf::infinite, m.rows)
            .then([reply = m.reply](const rows_encoded& values) mutable {
              reply.deliver(values);
            });
      },
  };
}

TEST_F(GenerationTest, LensRecordsThatAreDoneBeforeTheirRowsAreKeptToo) {
  auto slower = std::make_shared<system_view>(*view());
  auto codec = sys_->spawn(late, slower->codecs[0]);
  slower->codecs = {codec_actor(codec)};
  auto opened = open(turn("hello", 40)).value();
  caf::anon_send(opened.generation, view_changed{slower});
  auto w = watch(opened.generation, {}, true);
  finish();
  ASSERT_TRUE(w.log->done && w.log->done->durable);
  caf::anon_send_exit(codec, caf::exit_reason::user_shutdown);
  const auto shown = show(opened.conversation).value();
  for (const auto& chunk : shown->chunks) {
    EXPECT_EQ(chunk.lens, presence::present);
    const auto kept =
        ask<lens_read>(view()->readers[0], read_lens{chunk.name}).value();
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->complete, (1u << chunk.tokens.size()) - 1);
  }
}

TEST_F(GenerationTest, WithoutCaptureTheLedgerSaysNeverAsked) {
  auto options = turn("hello", 20);
  options->capture = false;
  complete_turn(options);
  EXPECT_EQ(statistics().values, 0u);
  const auto shown = show(newest_).value();
  for (const auto& chunk : shown->chunks)
    EXPECT_EQ(chunk.resid_post, presence::never_asked);
}

TEST_F(GenerationTest, APromptBeyondTheContextIsRefusedAndLeavesNothing) {
  auto opened = open(turn(std::string(500, 'x'))).value();
  watch(opened.generation);
  ASSERT_FALSE(admitted_);
  EXPECT_EQ(admitted_.error().code, error_code::context_full);
  finish();
  EXPECT_FALSE(show(opened.conversation));
}

TEST_F(GenerationTest, ARefusedTurnLeavesItsConversationAsItWas) {
  complete_turn(turn("hello", 20));
  auto before = show(newest_).value();
  auto opened = open(turn(std::string(500, 'x')), newest_).value();
  watch(opened.generation);
  EXPECT_FALSE(admitted_);
  finish();
  auto after = show(newest_).value();
  EXPECT_EQ(after->record.state, before->record.state);
  EXPECT_EQ(after->record.positions, before->record.positions);
  EXPECT_TRUE(open(turn("more", 5), newest_));
}

TEST_F(GenerationTest, WhoIsTurnedAwayLearnsWhenToTryAgain) {
  stop();
  options_.models[0].engine.max_sequences = 1;
  start();
  auto first = watch(open(turn("hello", 60)).value().generation);
  for (int i = 0; i < 40; ++i)
    scheduler().try_run_once();
  watch(open(turn("and I", 5)).value().generation);
  ASSERT_FALSE(admitted_);
  EXPECT_EQ(admitted_.error().code, error_code::overloaded);
  EXPECT_GE(admitted_.error().retry_after_ms, 50u);
  finish();
  EXPECT_TRUE(first.log->done);
}

TEST_F(GenerationTest, TheNextTurnTakesThePrefixFromTheKvCache) {
  complete_turn(turn("hello there", 20));
  auto second = complete_turn(turn(" and", 10), newest_);
  ASSERT_TRUE(second.log->done);
  EXPECT_GT(second.log->done->reused_tokens, 0u);
}

}  // namespace
}  // namespace lamina

// What failures leave behind: a full disk, turns and actors that die, and
// questions that they still owed an answer to.
#include <nlohmann/json.hpp>

#include "actors/messages/codec.hpp"
#include "actors/messages/disk.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/messages/shard.hpp"
#include "tests/unit/actors/brittle_store.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

/// A codec that never answers.
codec_actor::behavior_type silent_codec(
    codec_actor::stateful_pointer<
        std::vector<caf::typed_response_promise<rows_encoded>>>
        self) {
  return {
      [self](const encode_rows&) {
        using promise = caf::typed_response_promise<rows_encoded>;
        self->state.push_back(self->make_response_promise<promise>());
        return self->state.back();
      },
      [](const decode_values&) -> values_decoded {
        return fail(error_code::internal, "nobody decodes here");
      },
      [](const get_codec_status&) { return codec_status{}; },
  };
}

class failure_test : public actor_test {
 protected:
  failure_test() {
    options_.disk.retry_first = std::chrono::milliseconds(20'000);
  }

  std::shared_ptr<store> open_store() override {
    auto brittle = std::make_shared<brittle_store>(actor_test::open_store());
    store_ = brittle.get();
    return brittle;
  }

  template <class Answer, class Question>
  Answer ask_catalog(Question q) {
    return ask<Answer>(view()->catalog, std::move(q));
  }
  std::size_t listed() {
    return ask_catalog<list_result>(list_conversations{uid, "", 0})
        .value()
        .size();
  }
  acknowledgement remove(conversation_id id) {
    return ask_catalog<acknowledgement>(remove_conversation{uid, id});
  }
  void restart() {
    stop();
    start();
  }
  void let_the_disk_catch_up() {
    advance(options_.disk.retry_longest);
    finish();
  }
  std::vector<conversation_record> on_disk() {
    return ask<conversations_read>(view()->readers[0], read_conversations{})
        .value()
        .records;
  }
  std::uint64_t raw_bytes() {
    std::uint64_t bytes = 0;
    for (const auto& shard : view()->shards)
      bytes += ask<shard_status>(shard, get_shard_status{}).raw_bytes;
    return bytes;
  }
  position_t shown_positions(conversation_id id) {
    position_t count = 0;
    const auto shown = show(id).value();
    for (const auto& chunk : shown->chunks)
      count += static_cast<position_t>(chunk.tokens.size());
    return count;
  }

  /// A turn that is under way.
  turn_opened half_a_turn() {
    auto opened = open(turn(std::string(45, 'a'), 60)).value();
    watch(opened.generation);
    run();
    return opened;
  }
  /// One whose chunks wait for a codec, so that nothing of it is stored, dies.
  conversation_id dead_turn() {
    auto stuck = std::make_shared<system_view>(*view());
    const auto codec = sys_->spawn(silent_codec);
    stuck->codecs = {codec};
    auto opened = open(turn(std::string(45, 'a'), 60)).value();
    caf::anon_send(opened.generation, view_changed{stuck});
    watch(opened.generation);
    run();
    EXPECT_GT(raw_bytes(), 0u);
    EXPECT_GT(show(opened.conversation).value()->record.positions, 32u);
    kill(opened.generation);
    caf::anon_send_exit(codec, caf::exit_reason::user_shutdown);
    return opened.conversation;
  }
  void kill(const writer_actor& g) {
    caf::anon_send_exit(g, caf::exit_reason::kill);
    finish();
  }

  /// Asks, and leaves the answer to the future.
  template <class Answer, class Handle, class Question>
  std::shared_ptr<std::optional<Answer>> ask_for_later(const Handle& whom,
                                                       Question question) {
    auto answer = std::make_shared<std::optional<Answer>>();
    sys_->spawn(
        [answer, whom](caf::event_based_actor* self, Question asked) {
          self->request(whom, caf::infinite, std::move(asked))
              .then([answer](const Answer& a) { *answer = a; },
                    [](const caf::error&) {});
        },
        std::move(question));
    run();
    return answer;
  }

  brittle_store* store_ = nullptr;
};

using FailureTest = failure_test;

// ---- a full disk ------------------------------------------------------------

TEST_F(FailureTest, AConversationDeletedWhileTheDiskIsFullStaysDeleted) {
  start();
  store_->full = true;
  complete_turn(turn("hello", 20));
  ASSERT_EQ(listed(), 1u);
  EXPECT_TRUE(remove(newest_));
  EXPECT_EQ(listed(), 0u);
  store_->full = false;
  let_the_disk_catch_up();
  EXPECT_TRUE(on_disk().empty());
  restart();
  EXPECT_EQ(listed(), 0u);
}

TEST_F(FailureTest, ADeletionThatFailedIsNotCarriedOutLater) {
  start();
  complete_turn(turn("hello", 20));
  store_->full_for_all = true;
  EXPECT_EQ(remove(newest_).error().code, error_code::disk_full);
  EXPECT_EQ(listed(), 1u) << "what is on disk is still shown";
  EXPECT_TRUE(show(newest_));
  store_->full_for_all = false;
  let_the_disk_catch_up();
  EXPECT_EQ(on_disk().size(), 1u);
  EXPECT_TRUE(remove(newest_)) << "and it can be tried again";
  EXPECT_TRUE(on_disk().empty());
}

TEST_F(FailureTest, AForkThatFailedIsNotCarriedOutLater) {
  start();
  complete_turn(turn("hello", 20));
  store_->full = true;
  EXPECT_FALSE(
      ask_catalog<record_result>(split_conversation{uid, newest_, 10}));
  store_->full = false;
  let_the_disk_catch_up();
  EXPECT_EQ(on_disk().size(), 1u);
}

TEST_F(FailureTest, WhatWasOwedToTheDiskIsInTheLedgerOfUnloadedConversations) {
  options_.catalog.loaded_max = 1;
  start();
  store_->full = true;
  complete_turn(turn("hello", 40));
  const auto unsaved = newest_;
  for (int i = 0; i < 3; ++i)
    complete_turn(turn("number " + std::to_string(i), 5));
  EXPECT_EQ(show(unsaved).value()->chunks[0].resid_post, presence::dropped)
      << "what only memory has is not unloaded";
  store_->full = false;
  let_the_disk_catch_up();
  const auto shown = show(unsaved).value();
  EXPECT_EQ(shown->chunks[0].resid_post, presence::present);
  EXPECT_EQ(shown->chunks[0].lens, presence::present);
  EXPECT_EQ(shown->durable, shown->record.positions);
}

TEST_F(FailureTest, AnExceptionInACommitAnswersWhoeverWaitsForIt) {
  start();
  store_->throws_once = true;
  auto w = complete_turn(turn("hello", 20));
  ASSERT_TRUE(w.log->done);
  EXPECT_FALSE(w.log->done->durable);
}

TEST_F(FailureTest, ASweepThatFailedIsTriedAgain) {
  // Eviction would sweep, too.
  options_.disk.retention_delay = std::chrono::hours(1);
  start();
  complete_turn(turn("hello", 40));
  store_->sweep_fails_once = true;
  ASSERT_TRUE(remove(newest_));
  finish();
  EXPECT_GT(statistics().tombstones, 0u);
  advance(options_.disk.retry_longest);
  finish();
  EXPECT_EQ(statistics().tombstones, 0u);
}

TEST_F(FailureTest, EvictionInSlicesReachesItsReserve) {
  options_.disk.retention.disk_bytes_max = 600'000;
  options_.disk.retention.slice_bytes_max = 5'000;
  options_.disk.looks_a_budget = 0;
  start();
  for (int i = 0; i < 12; ++i)
    complete_turn(turn("number " + std::to_string(i) + " of many", 40));
  ASSERT_GT(statistics().file.used_bytes(), 600'000u);
  advance(options_.disk.retention_delay);
  finish();
  EXPECT_LE(statistics().file.used_bytes(), 570'000u);
}

TEST_F(FailureTest, ASmallBudgetIsLookedAfterWhileItIsWritten) {
  options_.disk.retention.disk_bytes_max = 600'000;
  options_.disk.retention_delay = std::chrono::hours(1);
  start();
  for (int i = 0; i < 16; ++i)
    complete_turn(turn("number " + std::to_string(i) + " of many", 40));
  finish();
  EXPECT_LE(statistics().file.used_bytes(), 640'000u);
}

// ---- a turn that dies -------------------------------------------------------

TEST_F(FailureTest, ATurnAfterADeadOneIsReadableWhenItWasDurable) {
  start();
  const auto dead = dead_turn();
  auto w = complete_turn(turn(" and on", 20), dead);
  ASSERT_TRUE(w.log->done);
  ASSERT_TRUE(w.log->done->durable);
  const auto positions = w.log->done->positions;
  EXPECT_EQ(shown_positions(dead), positions);
  restart();
  EXPECT_EQ(shown_positions(dead), positions);
}

TEST_F(FailureTest, ADeadTurnIsWrittenAsFarAsItIsKnown) {
  start();
  const auto shown = show(dead_turn()).value();
  EXPECT_EQ(shown->record.state, turn_state::interrupted);
  EXPECT_EQ(shown->durable, shown->record.positions);
  for (const auto& chunk : shown->chunks)
    EXPECT_NE(chunk.resid_post, presence::pending);
  ASSERT_EQ(on_disk().size(), 1u);
  EXPECT_EQ(on_disk()[0].state, turn_state::interrupted);
  EXPECT_EQ(on_disk()[0].positions, shown->record.positions);
}

TEST_F(FailureTest, ADeadTurnLeavesNoRowsInFlight) {
  start();
  dead_turn();
  EXPECT_EQ(raw_bytes(), 0u);
}

TEST_F(FailureTest, ATurnThatDiesBeforeItsFirstTokenLeavesNoConversation) {
  start();
  const auto opened = open(turn("hello", 20)).value();
  kill(opened.generation);
  EXPECT_EQ(listed(), 0u);
}

TEST_F(FailureTest, ATurnThatBeginsIsOnDiskBeforeItsTokens) {
  start();
  complete_turn(turn("hello", 40));
  const auto positions = show(newest_).value()->record.positions;
  store_->first.clear();
  complete_turn(turn(" and on", 40), newest_);
  ASSERT_FALSE(store_->first.empty());
  const auto* begun = std::get_if<put_conversation>(&store_->first[0]);
  ASSERT_NE(begun, nullptr);
  EXPECT_EQ(begun->record.state, turn_state::running);
  EXPECT_EQ(begun->record.positions, positions);
}

TEST_F(FailureTest, AStaleChunkBehindTheTailDoesNotTakeAcknowledgedTokens) {
  start();
  complete_turn(turn("hello", 4));
  const auto id = newest_;
  const auto count =
      static_cast<std::uint32_t>(show(id).value()->chunks.size());
  stop();
  {
    chunk_record stale;
    stale.name.bytes.fill(7);
    stale.full = true;
    stale.tokens.resize(chunk_positions);
    const std::vector<write_op> ops{put_chunk{id, count, stale, {}, nullptr}};
    ASSERT_TRUE(actor_test::open_store()->commit(ops));
  }
  start();
  auto w = complete_turn(turn(" and on", 12), id);
  ASSERT_TRUE(w.log->done && w.log->done->durable);
  const auto positions = w.log->done->positions;
  ASSERT_GT(positions, count * chunk_positions);
  ASSERT_LT(positions, (count + 1) * chunk_positions);
  restart();
  EXPECT_EQ(shown_positions(id), positions);
  const auto last =
      ask_catalog<locate_result>(locate_positions{uid, id, {positions - 1}, 0});
  ASSERT_TRUE(last);
  EXPECT_EQ(last.value()->positions[0].token.token.id,
            w.log->tokens.back().token.id);
}

// ---- the catalog ------------------------------------------------------------

TEST_F(FailureTest, RunningDoesNotStayOnDiskAfterTheCatalogDied) {
  start();
  const auto opened = half_a_turn();
  advance(std::chrono::milliseconds(10));
  run();
  ASSERT_EQ(on_disk().size(), 1u);
  caf::anon_send_exit(view()->catalog, caf::exit_reason::kill);
  for (int i = 0; i < 10; ++i) {
    advance(std::chrono::milliseconds(1000));
    finish();
  }
  ASSERT_TRUE(show(opened.conversation));
  ASSERT_EQ(on_disk().size(), 1u);
  EXPECT_EQ(on_disk()[0].state, turn_state::interrupted);
}

/// A disk that never answers.
disk_actor::behavior_type silent(
    disk_actor::stateful_pointer<
        std::vector<caf::typed_response_promise<result<ops_written>>>>
        self) {
  auto keep = [self] {
    using promise = caf::typed_response_promise<result<ops_written>>;
    self->state.push_back(self->make_response_promise<promise>());
    return self->state.back();
  };
  return {
      [keep](const write_ops&) { return keep(); },
      [keep](const flush_disk&) { return keep(); },
      [](const get_disk_status&) { return disk_status{}; },
      [](const view_changed&) {},
  };
}

TEST_F(FailureTest, ADyingCatalogAnswersWhatItOwes) {
  start();
  complete_turn(turn("hello", 20));
  const auto id = newest_;
  complete_turn(turn("hello again", 20));
  const auto other = newest_;
  auto mute = std::make_shared<system_view>(*view());
  const auto disk = sys_->spawn(silent);
  mute->disk = disk;
  const auto catalog = view()->catalog;
  caf::anon_send(catalog, view_changed{mute});
  const auto removed =
      ask_for_later<acknowledgement>(catalog, remove_conversation{uid, id});
  const auto forked =
      ask_for_later<record_result>(catalog, split_conversation{uid, other, 10});
  const auto pinned =
      ask_for_later<record_result>(catalog, pin_conversation{uid, other, true});
  ASSERT_FALSE(*removed || *forked || *pinned);
  caf::anon_send_exit(catalog, caf::exit_reason::kill);
  run();
  ASSERT_TRUE(*removed && *forked && *pinned);
  EXPECT_EQ((*removed)->error().code, error_code::unavailable);
  EXPECT_EQ((*forked)->error().code, error_code::unavailable);
  EXPECT_EQ((*pinned)->error().code, error_code::unavailable);
  caf::anon_send_exit(disk, caf::exit_reason::user_shutdown);
}

TEST_F(FailureTest, AConversationEvictedUnderItsTurnIsWrittenAgain) {
  start();
  complete_turn(turn(std::string(45, 'a'), 10));
  const auto id = newest_;
  const auto opened = open(turn(" and on", 20), id).value();
  auto w = watch(opened.generation);
  run();
  const std::vector<write_op> gone{delete_conversation{id}};
  ASSERT_TRUE(store_->commit(gone));
  auto report = std::make_shared<eviction_report>();
  report->conversations_removed.push_back(id);
  caf::anon_send(view()->catalog, store_evicted{report});
  finish();
  ASSERT_TRUE(w.log->done);
  restart();
  EXPECT_EQ(shown_positions(id), w.log->done->positions);
}

TEST_F(FailureTest, WhoeverWaitsForChunksThatAreEvictedIsTold) {
  start();
  complete_turn(turn("hello", 20));
  const auto id = newest_;
  restart();  // its chunks are not loaded
  const auto catalog = view()->catalog;
  auto shown = std::make_shared<std::optional<show_result>>();
  sys_->spawn([shown, catalog, id](caf::event_based_actor* self) {
    self->request(catalog, caf::infinite, show_conversation{uid, id})
        .then([shown](const show_result& r) { *shown = r; },
              [](const caf::error&) {});
  });
  scheduler().try_run_once();  // it asks
  scheduler().try_run_once();  // the catalog asks a reader
  auto report = std::make_shared<eviction_report>();
  report->conversations_removed.push_back(id);
  caf::anon_send(catalog, store_evicted{report});
  run();
  ASSERT_TRUE(*shown);
  EXPECT_EQ((*shown)->error().code, error_code::not_found);
}

TEST_F(FailureTest, EveryoneWhoDrainsIsAnswered) {
  start();
  const auto opened = half_a_turn();
  const auto catalog = view()->catalog;
  const auto first = ask_for_later<turns_drained>(catalog, drain_turns{60'000});
  const auto second =
      ask_for_later<turns_drained>(catalog, drain_turns{60'000});
  EXPECT_FALSE(*first || *second);
  kill(opened.generation);
  EXPECT_TRUE(*first);
  EXPECT_TRUE(*second);
}

TEST_F(FailureTest, TheCatalogKeepsNoMoreConversationsLoadedThanItMay) {
  options_.catalog.loaded_max = 2;
  start();
  std::vector<conversation_id> ids;
  for (int i = 0; i < 6; ++i) {
    complete_turn(turn("number " + std::to_string(i), 5));
    ids.push_back(newest_);
  }
  EXPECT_LE(ask_catalog<catalog_status>(get_catalog_status{}).loaded, 2u);
  const auto tokens =
      ask_catalog<token_ids_result>(get_token_ids{ids.front(), 4});
  ASSERT_TRUE(tokens) << "an unloaded one is read";
  EXPECT_EQ(tokens.value().size(), 4u);
}

}  // namespace
}  // namespace lamina

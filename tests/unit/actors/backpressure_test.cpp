// What a turn does when codec or disk do not keep up: it waits, or it drops.
#include "actors/generation.hpp"
#include "actors/messages/codec.hpp"
#include "actors/messages/disk.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/shard.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

/// Takes rows and never answers.
codec_actor::behavior_type dead_codec(codec_actor::pointer self) {
  return {
      [self](const encode_rows&) {
        return self->make_response_promise<
            caf::typed_response_promise<rows_encoded>>();
      },
      [](const decode_values&) -> values_decoded {
        return fail(error_code::internal, "nobody decodes here");
      },
      [](const get_codec_status&) { return codec_status{}; },
  };
}

/// Takes writes and never answers.
disk_actor::behavior_type dead_disk(disk_actor::pointer self) {
  using promise = caf::typed_response_promise<result<ops_written>>;
  return {
      [self](const write_ops&) {
        return self->make_response_promise<promise>();
      },
      [self](const flush_disk&) {
        return self->make_response_promise<promise>();
      },
      [](const get_disk_status&) { return disk_status{}; },
      [](const view_changed&) {},
  };
}

class backpressure_test : public actor_test {
 protected:
  backpressure_test() { start(); }

  ~backpressure_test() override {
    for (const auto& actor : dead_)
      caf::anon_send_exit(actor, caf::exit_reason::kill);
    if (sys_) run();
  }

  static std::shared_ptr<turn_options> dropping(
      lens_mode lens = lens_mode::deferred) {
    auto options = turn("hello", 60);
    options->when_full = backpressure::drop;
    options->lens = lens;
    return options;
  }

  /// A turn whose codec or disk is another one from its beginning on.
  watcher begin_with(const std::shared_ptr<turn_options>& options,
                     const std::shared_ptr<system_view>& changed) {
    const auto opened = open(options).value();
    newest_ = opened.conversation;
    caf::anon_send(opened.generation, view_changed{changed});
    auto w = watch(opened.generation);
    finish();
    return w;
  }

  std::shared_ptr<system_view> with_dead_codec() {
    auto changed = std::make_shared<system_view>(*view());
    changed->codecs = {sys_->spawn(dead_codec)};
    dead_.push_back(caf::actor_cast<caf::actor>(changed->codecs[0]));
    return changed;
  }

  std::shared_ptr<system_view> with_dead_disk() {
    auto changed = std::make_shared<system_view>(*view());
    changed->disk = sys_->spawn(dead_disk);
    dead_.push_back(caf::actor_cast<caf::actor>(changed->disk));
    return changed;
  }

  std::uint64_t raw_bytes() {
    std::uint64_t sum = 0;
    for (const auto& shard : view()->shards)
      sum += ask<shard_status>(shard, get_shard_status{}).raw_bytes;
    return sum;
  }

  std::vector<presence> activations() {
    std::vector<presence> all;
    for (const auto& chunk : newest_chunks())
      all.push_back(chunk.resid_post);
    return all;
  }

  std::vector<caf::actor> dead_;
};

using BackpressureTest = backpressure_test;

TEST_F(BackpressureTest, ATurnThatWaitsStandsStillBehindADeadCodec) {
  auto options = dropping();
  options->when_full = backpressure::wait;
  const auto w = begin_with(options, with_dead_codec());
  EXPECT_FALSE(w.log->done);
  const auto model =
      ask<model_status>(view()->models.at("tiny").actor, get_model_status{});
  EXPECT_EQ(model.paused, 1u);
}

TEST_F(BackpressureTest, ATurnThatDropsEndsBehindADeadCodec) {
  const auto w = begin_with(dropping(), with_dead_codec());
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->finish, "length");
  EXPECT_EQ(w.log->done->new_tokens, 60u);
  EXPECT_FALSE(w.log->done->durable);
  // The first chunk is on its way, for ever; all others were given up.
  EXPECT_EQ(w.log->done->dropped_positions, w.log->done->positions - 16);
  auto states = activations();
  EXPECT_EQ(states.front(), presence::pending);
  states.erase(states.begin());
  EXPECT_EQ(states, std::vector<presence>(states.size(), presence::dropped));
}

TEST_F(BackpressureTest, WhatIsDroppedTakesNoMemory) {
  begin_with(dropping(), with_dead_codec());
  const auto shape = show(newest_).value()->record.shape;
  EXPECT_EQ(raw_bytes(), raw_chunk(shape, 0).bytes())
      << "the one that is on its way";
}

TEST_F(BackpressureTest, ATurnThatDropsEndsBehindADeadDisk) {
  const auto w = begin_with(dropping(), with_dead_disk());
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->new_tokens, 60u);
  EXPECT_GT(w.log->done->dropped_positions, 0u);
  EXPECT_EQ(activations().back(), presence::dropped);
}

TEST_F(BackpressureTest, TheLensOfDroppedChunksComesFromTheirExactRows) {
  for (const auto mode : {lens_mode::deferred, lens_mode::eager}) {
    const auto w = begin_with(dropping(mode), with_dead_codec());
    ASSERT_TRUE(w.log->done);
    const auto shown = show(newest_).value();
    for (std::size_t i = 1; i < shown->chunks.size(); ++i) {
      const auto& chunk = shown->chunks[i];
      const auto rows = (1u << chunk.tokens.size()) - 1;
      const auto found = ask<lens_found>(view()->shard_of(chunk.name),
                                         find_lens{chunk.name, rows});
      ASSERT_TRUE(found.block) << to_string(mode) << " " << i;
      EXPECT_EQ(found.block->complete, rows) << to_string(mode) << " " << i;
    }
  }
}

TEST_F(BackpressureTest, ADropIsInTheLedgerOnDiskAndTheTurnIsDurable) {
  // The budget is one byte, so while one chunk is on its way others go.
  auto options = dropping();
  options->prompt = std::string(60, 'x');
  options->max_new_tokens = 30;
  const auto opened = open(options).value();
  newest_ = opened.conversation;
  const auto w = watch(opened.generation, {}, true);
  finish();
  ASSERT_TRUE(w.log->done);
  EXPECT_TRUE(w.log->done->durable);
  EXPECT_GT(w.log->done->dropped_positions, 0u);
  const auto before = activations();
  std::uint32_t dropped = 0;
  const auto shown = show(newest_).value();
  for (const auto& chunk : shown->chunks)
    if (chunk.resid_post == presence::dropped)
      dropped += static_cast<std::uint32_t>(chunk.tokens.size());
  EXPECT_EQ(w.log->done->dropped_positions, dropped);
  EXPECT_LT(dropped, w.log->done->positions) << "some are always kept";
  stop();
  start();
  EXPECT_EQ(activations(), before);
}

TEST_F(BackpressureTest, TheNextTurnCapturesWhatWasDropped) {
  auto options = dropping();
  options->prompt = std::string(60, 'x');
  options->max_new_tokens = 30;
  complete_turn(options);
  complete_turn(turn(" and", 5), newest_);
  const auto states = activations();
  EXPECT_EQ(states, std::vector<presence>(states.size(), presence::present));
}

TEST_F(BackpressureTest, ThePolicyIsTheModelsUnlessTheTurnSaysOtherwise) {
  stop();
  options_.models[0].when_full = backpressure::drop;
  start();
  auto options = turn("hello", 60);
  const auto w = begin_with(options, with_dead_codec());
  ASSERT_TRUE(w.log->done);
  EXPECT_GT(w.log->done->dropped_positions, 0u);
}

}  // namespace
}  // namespace lamina

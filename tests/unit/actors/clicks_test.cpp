// Requests for what has to be read or computed: what is computed for one click
// serves the next, a cancel ends the computing, failures keep their code.
#include <numeric>

#include "actors/messages/answer_source.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/rows.hpp"
#include "actors/messages/shard.hpp"
#include "actors/rows.hpp"
#include "protocol/id_text.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

class clicks_test : public actor_test {
 protected:
  clicks_test() { start(); }

  static std::shared_ptr<turn_options> uncaptured(std::uint32_t tokens) {
    auto options = turn("hello", tokens);
    options->capture = false;
    options->lens = lens_mode::on_demand;
    return options;
  }

  void connect() {
    client_ = std::make_shared<peer>();
    client_->connect(*sys_, top_, uid);
    run();
  }

  wire::BodyUnion lens_at(position_t p) const {
    wire::GetLensT ask;
    ask.conversation = conversation_text(newest_);
    ask.positions = {p};
    return make_body(std::move(ask));
  }

  peer::answer click(position_t p) {
    const auto request = client_->begin(lens_at(p));
    finish();
    return client_->finish(request);
  }

  load_rows chunk(std::uint32_t index) {
    auto shown = show(newest_).value();
    const auto rows =
        static_cast<std::uint32_t>(shown->chunks[index].tokens.size());
    auto load =
        load_rows::of(shown->record, shown->chunks[index].name, index, 0, rows);
    load.slots.resize(load.shape.layers);
    std::iota(load.slots.begin(), load.slots.end(), 1u);
    load.position_end = shown->record.positions;
    return load;
  }

  std::uint64_t prefilled() {
    return ask<model_status>(view()->models.at("tiny").actor,
                             get_model_status{})
        .engine.tokens_prefilled;
  }

  std::shared_ptr<peer> client_;
};

using ClicksTest = clicks_test;

void expect_next_rated(const peer::answer& answer, const std::string& source) {
  const auto* lens = answer.last<wire::LensResultT>();
  ASSERT_NE(lens, nullptr);
  for (const auto& layer : lens->positions[0]->layers)
    EXPECT_TRUE(layer->next_rated);
  EXPECT_EQ(lens->positions[0]->source, source);
}

TEST_F(ClicksTest, AClickThatWasComputedIsRatedAndNotComputedAgain) {
  complete_turn(uncaptured(30));
  connect();
  // In the middle of a chunk, and where the next token is in another one.
  for (position_t p : {3u, 15u}) {
    expect_next_rated(click(p), "recomputed");
    const auto before = prefilled();
    expect_next_rated(click(p), "memory");
    EXPECT_EQ(prefilled(), before);
  }
}

TEST_F(ClicksTest, ALensAnswerThatLacksOnlyTheRatingIsGivenWithoutIt) {
  complete_turn(uncaptured(30));
  stop();
  options_.models[0].engine.max_sequences = 0;  // nothing can be recomputed
  start();
  const auto wanted = chunk(0);
  auto block = make_lens_block(wanted.shape.layers);
  block.rows = chunk_positions;
  block.complete = 0xffff;
  caf::anon_send(
      view()->shard_of(wanted.name),
      publish_lens_block{wanted.name, std::make_shared<lens_block>(block)});
  connect();
  const auto answer = click(3);
  const auto* lens = answer.last<wire::LensResultT>();
  ASSERT_NE(lens, nullptr) << answer.last<wire::ErrorT>()->message;
  EXPECT_FALSE(lens->positions[0]->layers[0]->next_rated);
}

TEST_F(ClicksTest, ARecomputationHoldsAWindowAndGoesOnWithItsCache) {
  complete_turn(uncaptured(75));
  stop();
  start();
  const auto count =
      static_cast<std::uint32_t>(show(newest_).value()->chunks.size());
  ASSERT_GE(count, 4u);
  auto source = sys_->spawn(rows_in_windows, view(), std::size_t{1});
  for (std::uint32_t c = 0; c < count; ++c) {
    const auto wanted = chunk(c);
    const auto loaded =
        ask<result<rows_loaded>>(rows_actor(source), wanted).value();
    EXPECT_EQ(loaded.source, answer_source::recomputed);
    EXPECT_EQ(loaded.rows->row_end(), wanted.row_end);
    // Each window repeats the position before it, for the lens.
    EXPECT_EQ(prefilled(), first_position(c) + wanted.row_end + c);
  }
  caf::anon_send_exit(source, caf::exit_reason::user_shutdown);
}

TEST_F(ClicksTest, ACancelEndsTheRecomputation) {
  stop();
  options_.models[0].engine.pace.rows_max = 1;
  start();
  complete_turn(uncaptured(115));
  stop();
  start();
  connect();
  wire::GetActivationsT all;
  all.conversation = conversation_text(newest_);
  all.position_end = show(newest_).value()->record.positions;
  const auto request = client_->begin(make_body(wire::GetActivationsT(all)));
  while (prefilled() == 0)
    ASSERT_TRUE(scheduler().try_run_once());
  wire::CancelT cancel;
  cancel.request = request;
  client_->begin(make_body(std::move(cancel)));
  finish();
  const auto answer = client_->finish(request);
  ASSERT_NE(answer.last<wire::ErrorT>(), nullptr);
  EXPECT_EQ(answer.last<wire::ErrorT>()->name, "cancelled");
  EXPECT_LT(prefilled(), all.position_end);
  const auto status =
      ask<model_status>(view()->models.at("tiny").actor, get_model_status{});
  EXPECT_EQ(status.engine.sequences, 0u);
}

TEST_F(ClicksTest, ATurnThatEndsWhileItIsAttachedToIsShownToItsEnd) {
  connect();
  constexpr int moments_after_done = 40;
  int left = moments_after_done;
  for (int moment = 0; left > 0; ++moment) {
    auto opened = open(turn("hi", 2)).value();
    auto w = watch(opened.generation, {}, true);
    opened.generation = nullptr;
    for (int i = 0; i < moment; ++i)
      if (!scheduler().try_run_once()) advance(std::chrono::milliseconds(1));
    if (w.log->done) --left;
    wire::AttachT attach;
    attach.conversation = conversation_text(opened.conversation);
    const auto request = client_->begin(make_body(std::move(attach)));
    finish();
    const auto answer = client_->finish(request);
    const auto* failed = answer.last<wire::ErrorT>();
    ASSERT_EQ(failed, nullptr)
        << "attached at moment " << moment << ": " << failed->message;
  }
}

}  // namespace
}  // namespace lamina

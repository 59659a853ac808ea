// ReadLens: ranges, what records do not have, turns that are followed, and
// records that are completed.
#include <gmock/gmock.h>

#include <cstring>
#include <fstream>

#include "protocol/id_text.hpp"
#include "protocol/limits.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

using ::testing::HasSubstr;

/// Maps that change nothing, for a model of this shape.
void write_zero_lens(const std::filesystem::path& path, std::uint32_t layers,
                     std::uint32_t width) {
  std::string header = "{";
  std::size_t begin = 0;
  const std::size_t bytes = std::size_t{width} * width * sizeof(float);
  for (std::uint32_t i = 0; i < layers; ++i, begin += bytes) {
    const auto size = std::to_string(width);
    header += (i == 0 ? "\"" : ",\"") + std::to_string(i) +
              R"(.weight":{"dtype":"F32","shape":[)" + size + "," + size +
              R"(],"data_offsets":[)" + std::to_string(begin) + "," +
              std::to_string(begin + bytes) + "]}";
  }
  header += "}";
  const std::uint64_t length = header.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << header << std::string(begin, '\0');
}

class lens_range_test : public actor_test {
 protected:
  lens_range_test() {
    options_.models[0].lenses = {{"zero", directory_ / "zero.safetensors"},
                                 {"missing", directory_ / "missing"}};
    start();
    client_ = connected();
  }

  ~lens_range_test() override {
    for (const auto& p : peers_)
      p->disconnect();
    run();
  }

  std::shared_ptr<peer> connected() {
    auto p = std::make_shared<peer>();
    p->connect(*sys_, top_, uid);
    peers_.push_back(p);
    run();
    return p;
  }

  void restart() {
    for (const auto& p : std::exchange(peers_, {}))
      p->disconnect();
    run();
    stop();
    start();
    client_ = connected();
  }

  static std::shared_ptr<turn_options> turn_with(lens_mode mode,
                                                 std::uint32_t tokens = 40) {
    auto options = turn("hello there", tokens);
    options->lens = mode;
    options->keep_running = true;
    return options;
  }

  wire::ReadLensT range(position_t begin = 0, position_t end = 0) const {
    wire::ReadLensT ask;
    ask.conversation = conversation_text(newest_);
    ask.position_begin = begin;
    ask.position_end = end;
    return ask;
  }

  peer::answer ask_lens(wire::ReadLensT ask) {
    const auto request = client_->begin(make_body(std::move(ask)));
    finish();
    return client_->finish(request);
  }

  /// Positions in order, as they came.
  static std::vector<wire::LensPositionT> positions(const peer::answer& a) {
    std::vector<wire::LensPositionT> all;
    for (const auto& body : a.bodies)
      if (const auto* part = body.AsLensResult())
        for (const auto& at : part->positions)
          all.push_back(*at);
    return all;
  }

  static void expect_all(const std::vector<wire::LensPositionT>& all,
                         position_t begin, position_t end) {
    ASSERT_EQ(all.size(), end - begin);
    for (position_t p = begin; p < end; ++p)
      EXPECT_EQ(all[p - begin].token->position, p);
  }

  /// The numbers of both, of as many predictions as `a` has.
  static void expect_same_numbers(const std::vector<wire::LensPositionT>& a,
                                  const std::vector<wire::LensPositionT>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t p = 0; p < a.size(); ++p) {
      ASSERT_EQ(a[p].layers.size(), b[p].layers.size());
      for (std::size_t l = 0; l < a[p].layers.size(); ++l) {
        const auto& x = *a[p].layers[l];
        const auto& y = *b[p].layers[l];
        ASSERT_LE(x.ids.size(), y.ids.size());
        EXPECT_TRUE(std::equal(x.ids.begin(), x.ids.end(), y.ids.begin()));
        for (std::size_t k = 0; k < x.ids.size(); ++k)
          EXPECT_NEAR(x.log_probabilities[k], y.log_probabilities[k], 1e-5);
        EXPECT_NEAR(x.entropy, y.entropy, 1e-5);
        EXPECT_NEAR(x.kl_to_final, y.kl_to_final, 1e-5);
        EXPECT_EQ(x.next_rated, y.next_rated) << p;
        EXPECT_EQ(x.rank_of_next, y.rank_of_next) << p;
      }
    }
  }

  std::string refusal(wire::ReadLensT ask, error_code code) {
    const auto a = ask_lens(std::move(ask));
    const auto* e = a.last<wire::ErrorT>();
    EXPECT_TRUE(e != nullptr);
    if (!e) return {};
    EXPECT_EQ(e->code, static_cast<std::uint16_t>(code)) << e->message;
    return e->message;
  }

  std::vector<presence> lens_ledger() {
    std::vector<presence> all;
    for (const auto& chunk : newest_chunks())
      all.push_back(chunk.lens);
    return all;
  }

  position_t size() { return show(newest_).value()->record.positions; }

  std::shared_ptr<peer> client_;
  std::vector<std::shared_ptr<peer>> peers_;
};

using LensRangeTest = lens_range_test;

TEST_F(LensRangeTest, AnswersEachPositionOnceAndInOrder) {
  complete_turn(turn_with(lens_mode::deferred));
  auto ask = range(5, 37);
  ask.layers = {1, -1};
  ask.top_k = 3;
  const auto a = ask_lens(std::move(ask));
  const auto all = positions(a);
  expect_all(all, 5, 37);
  for (const auto& at : all) {
    ASSERT_EQ(at.layers.size(), 2u);
    EXPECT_EQ(at.layers[0]->layer, 1);
    EXPECT_EQ(at.layers[0]->ids.size(), 3u);
    EXPECT_TRUE(at.layers[0]->next_rated);
  }
  const auto* last = a.last<wire::LensResultT>();
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->last);
  EXPECT_EQ(last->positions_done, 32u);
  EXPECT_EQ(last->positions_total, 32u);
  EXPECT_EQ(last->positions_computed, 0u) << "all of it was kept";
}

TEST_F(LensRangeTest, BackfillKeepsWhatADeferredTurnWouldHave) {
  complete_turn(turn_with(lens_mode::deferred));
  const auto deferred = positions(ask_lens(range()));
  ASSERT_TRUE(
      ask<acknowledgement>(view()->catalog, remove_conversation{uid, newest_}));
  finish();
  restart();

  complete_turn(turn_with(lens_mode::on_demand));
  for (const auto state : lens_ledger())
    EXPECT_EQ(state, presence::on_demand);
  auto ask = range();
  ask.backfill = true;
  auto a = ask_lens(ask);
  ASSERT_TRUE(a.last<wire::LensResultT>());
  EXPECT_TRUE(positions(a).empty());
  EXPECT_EQ(a.last<wire::LensResultT>()->positions_computed, size());
  for (const auto state : lens_ledger())
    EXPECT_EQ(state, presence::present);
  a = ask_lens(ask);
  EXPECT_EQ(a.last<wire::LensResultT>()->positions_computed, 0u);

  restart();
  const auto backfilled = positions(ask_lens(range()));
  EXPECT_EQ(backfilled.front().source, "disk");
  expect_same_numbers(backfilled, deferred);
  for (const auto state : lens_ledger())
    EXPECT_EQ(state, presence::present) << "after a restart, too";
}

TEST_F(LensRangeTest, ReadoutsAreTheRecordsWhereBothHaveNumbers) {
  complete_turn(turn_with(lens_mode::deferred));
  auto ask = range();
  ask.top_k = 25;
  const auto more = positions(ask_lens(std::move(ask)));
  expect_all(more, 0, size());
  EXPECT_EQ(more[3].layers[1]->ids.size(), 25u);
  expect_same_numbers(positions(ask_lens(range())), more);
}

TEST_F(LensRangeTest, TrackedTokensAreRatedAndNothingIsKept) {
  complete_turn(turn_with(lens_mode::on_demand));
  auto ask = range(0, 20);
  ask.top_k = 12;
  ask.track = {7, 3};
  ask.track_texts = {"h"};
  const auto a = ask_lens(std::move(ask));
  const auto* first = a.bodies.front().AsLensResult();
  ASSERT_TRUE(first);
  ASSERT_EQ(first->tracked.size(), 3u);
  EXPECT_EQ(first->tracked[0]->id, 7u);
  EXPECT_EQ(first->tracked[2]->bytes, std::vector<std::uint8_t>{'h'});
  for (const auto& at : positions(a))
    for (const auto& layer : at.layers) {
      ASSERT_EQ(layer->ranks_of_tracked.size(), 3u);
      const auto rank = layer->ranks_of_tracked[0];
      if (rank >= layer->ids.size()) continue;
      EXPECT_EQ(layer->ids[rank], 7u);
      EXPECT_FLOAT_EQ(layer->log_probabilities[rank],
                      layer->log_probabilities_of_tracked[0]);
    }
  for (const auto state : lens_ledger())
    EXPECT_EQ(state, presence::on_demand);
}

TEST_F(LensRangeTest, ZeroMapsGiveThePlainLensExactly) {
  complete_turn(turn_with(lens_mode::on_demand));
  const auto shape = show(newest_).value()->record.shape;
  write_zero_lens(directory_ / "zero.safetensors", shape.layers, shape.width);
  auto ask = range();
  ask.top_k = 15;
  const auto plain = positions(ask_lens(ask));
  ask.lens = "zero";
  const auto mapped = positions(ask_lens(ask));
  ASSERT_EQ(plain.size(), mapped.size());
  for (std::size_t p = 0; p < plain.size(); ++p)
    for (std::size_t l = 0; l < plain[p].layers.size(); ++l) {
      EXPECT_EQ(plain[p].layers[l]->ids, mapped[p].layers[l]->ids);
      EXPECT_EQ(plain[p].layers[l]->log_probabilities,
                mapped[p].layers[l]->log_probabilities);
      EXPECT_EQ(plain[p].layers[l]->kl_to_final,
                mapped[p].layers[l]->kl_to_final);
    }
}

TEST_F(LensRangeTest, LossyRowsSayTheirErrorUnlessExactOnesAreAskedFor) {
  auto options = turn_with(lens_mode::on_demand);
  options->kept = quality::balanced;
  complete_turn(options);
  auto ask = range(0, 16);
  ask.track = {1};
  auto all = positions(ask_lens(ask));
  expect_all(all, 0, 16);
  EXPECT_FALSE(all[3].exact);
  EXPECT_GT(all[3].relative_error, 0);
  ask.exact = true;
  all = positions(ask_lens(ask));
  EXPECT_TRUE(all[3].exact);
  EXPECT_EQ(all[3].source, "recomputed");
}

TEST_F(LensRangeTest, MistakesHaveOneClearError) {
  complete_turn(turn_with(lens_mode::deferred));
  auto ask = range();
  ask.top_k = limits::lens_top_k_max + 1;
  refusal(ask, error_code::invalid_argument);
  refusal(range(0, 10'000), error_code::out_of_range);
  refusal(range(9, 9), error_code::invalid_argument);
  ask = range();
  ask.track = {1'000'000};
  refusal(ask, error_code::out_of_range);
  ask = range();
  ask.track_texts = {"hello there"};
  EXPECT_THAT(refusal(ask, error_code::invalid_argument),
              HasSubstr("'hello there' is"));
  ask = range();
  ask.lens = "other";
  EXPECT_THAT(refusal(ask, error_code::not_found), HasSubstr("missing, zero"));
  ask.lens = "missing";
  EXPECT_THAT(refusal(ask, error_code::not_found), HasSubstr("missing"));
  ask = range();
  ask.backfill = true;
  ask.top_k = 20;
  refusal(ask, error_code::invalid_argument);
}

TEST_F(LensRangeTest, FollowersSeeARunningTurnToItsEnd) {
  for (const auto mode :
       {lens_mode::eager, lens_mode::deferred, lens_mode::on_demand}) {
    auto options = turn_with(mode);
    options->prompt += std::string(1, static_cast<char>('a' + int(mode)));
    newest_ = open(options).value().conversation;
    auto ask = range();
    ask.follow = true;
    const auto killed = connected();
    killed->begin(make_body(wire::ReadLensT(ask)));
    const auto request = client_->begin(make_body(wire::ReadLensT(ask)));
    while (client_->received(request) < 1)
      ASSERT_TRUE(scheduler().try_run_once()) << "nothing came live";
    EXPECT_FALSE(client_->finished(request));
    killed->disconnect();
    finish();
    ASSERT_TRUE(client_->finished(request));
    const auto all = positions(client_->finish(request));
    expect_all(all, 0, size());
    for (const auto& at : all) {
      EXPECT_EQ(at.source, "memory");
      EXPECT_EQ(at.layers[0]->next_rated, at.token->position + 1 != size());
    }
    EXPECT_EQ(show(newest_).value()->record.state, turn_state::complete);
  }
}

TEST_F(LensRangeTest, AFollowerOfSomeLayersGetsThose) {
  newest_ = open(turn_with(lens_mode::eager)).value().conversation;
  auto ask = range(3);
  ask.follow = true;
  ask.layers = {0};
  const auto all = positions(ask_lens(ask));
  expect_all(all, 3, size());
  EXPECT_EQ(all[0].layers.size(), 1u);
}

TEST_F(LensRangeTest, ASlowFollowerNeverStallsTheTurn) {
  auto opened = open(turn_with(lens_mode::eager)).value();
  newest_ = opened.conversation;
  auto ask = range();
  ask.follow = true;
  client_->pause();
  const auto request = client_->begin(make_body(wire::ReadLensT(ask)));
  const auto viewer = watch(opened.generation, {}, true);
  finish();
  ASSERT_TRUE(viewer.log->done);
  EXPECT_TRUE(viewer.log->done->durable);
  EXPECT_LE(client_->received(request), 1u);
  client_->resume();
  finish();
  expect_all(positions(client_->finish(request)), 0, size());
}

TEST_F(LensRangeTest, CancellingAFollowerLeavesTheTurn) {
  newest_ = open(turn_with(lens_mode::eager)).value().conversation;
  auto ask = range();
  ask.follow = true;
  const auto request = client_->begin(make_body(wire::ReadLensT(ask)));
  while (client_->received(request) < 1)
    ASSERT_TRUE(scheduler().try_run_once());
  wire::CancelT cancel;
  cancel.request = request;
  client_->begin(make_body(cancel));
  finish();
  const auto a = client_->finish(request);
  ASSERT_TRUE(a.last<wire::ErrorT>());
  EXPECT_EQ(a.last<wire::ErrorT>()->name, "cancelled");
  EXPECT_EQ(show(newest_).value()->record.state, turn_state::complete);
}

TEST_F(LensRangeTest, BackfillLeavesATurnThatIsWrittenAlone) {
  newest_ = open(turn_with(lens_mode::on_demand)).value().conversation;
  auto ask = range();
  ask.backfill = true;
  const auto request = client_->begin(make_body(wire::ReadLensT(ask)));
  while (!client_->finished(request))
    ASSERT_TRUE(scheduler().try_run_once());
  const auto a = client_->finish(request);
  ASSERT_TRUE(a.last<wire::ErrorT>());
  EXPECT_EQ(a.last<wire::ErrorT>()->name, "conversation_busy");
  finish();
}

}  // namespace
}  // namespace lamina

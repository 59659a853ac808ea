// Reading back: what is missing or damaged is computed again, stored again, and
// the ledger says what is there.
#include <nlohmann/json.hpp>
#include <numeric>

#include "actors/messages/answer_source.hpp"
#include "actors/messages/rows.hpp"
#include "actors/rows.hpp"
#include "protocol/id_text.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

class reading_test : public actor_test {
 protected:
  reading_test() { start(); }

  load_rows first_chunk() {
    auto shown = show(newest_).value();
    auto load = load_rows::of(shown->record, shown->chunks[0].name, 0, 0,
                              chunk_positions);
    load.slots.resize(load.shape.layers);
    std::iota(load.slots.begin(), load.slots.end(), 1u);
    load.position_end = chunk_positions;
    load.restore = true;
    return load;
  }

  /// As a request does, which has asked the catalog before.
  result<rows_loaded> load(const load_rows& wanted) {
    EXPECT_TRUE(show(newest_));
    auto source = sys_->spawn(rows, view());
    auto loaded = ask<result<rows_loaded>>(rows_actor(source), wanted);
    caf::anon_send_exit(source, caf::exit_reason::user_shutdown);
    finish();
    return loaded;
  }

  /// One bit of each value of the chunk turns over while the system is down.
  void damage(const load_rows& chunk) {
    rewrite(chunk,
            [](stored_value& value) { value.bytes.back() ^= std::byte{1}; });
  }

  template <class Change>
  void rewrite(const load_rows& chunk, Change change) {
    stop();
    {
      auto env = store::open({.directory = directory_, .map_bytes = map_bytes})
                     .value();
      put_values spoilt{chunk.name, {}};
      const auto values =
          env->reader()
              ->values(value_keys(chunk.name, site::resid_post, chunk.shape))
              .value();
      for (const auto& value : values) {
        auto copy = std::make_shared<stored_value>(*value);
        change(*copy);
        spoilt.values.push_back(std::move(copy));
      }
      const std::vector<write_op> ops{std::move(spoilt)};
      ASSERT_TRUE(env->commit(ops));
    }
    start();
  }

  presence activations() { return show(newest_).value()->chunks[0].resid_post; }
  presence lens() { return show(newest_).value()->chunks[0].lens; }

  int damages() {
    auto text = ask<std::string>(top_, get_status{});
    return nlohmann::json::parse(text)["damages"];
  }
};

using ReadingTest = reading_test;

TEST_F(ReadingTest, ADamagedValueIsToldComputedAgainAndStoredAgain) {
  complete_turn(turn("hello", 30));
  const auto chunk = first_chunk();
  const auto before = load(chunk).value();
  damage(chunk);
  const auto again = load(chunk);
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(again.value().source, answer_source::recomputed);
  EXPECT_EQ(damages(), 1);
  EXPECT_EQ(activations(), presence::present) << "it was stored again";
  stop();
  start();
  const auto healed = load(chunk).value();
  EXPECT_EQ(healed.source, answer_source::disk);
  EXPECT_EQ(damages(), 0);
  for (std::uint32_t layer = 0; layer < chunk.shape.layers; ++layer) {
    const auto slot = slot_of(site::resid_post, layer, chunk.shape.layers);
    EXPECT_TRUE(
        std::ranges::equal(healed.rows->rows(slot), before.rows->rows(slot)));
  }
}

/// What stands before a stored value is outside its checksum.
TEST_F(ReadingTest, ASummaryThatPromisesOtherRowsThanItsValueIsDamage) {
  complete_turn(turn("hello", 20));
  auto shown = show(newest_).value();
  const auto rows = static_cast<std::uint32_t>(shown->chunks[1].tokens.size());
  ASSERT_LT(rows, chunk_positions);
  auto tail = load_rows::of(shown->record, shown->chunks[1].name, 1, 0, rows);
  tail.slots = first_chunk().slots;
  rewrite(tail, [&](stored_value& value) { value.rows = rows + 1; });
  EXPECT_EQ(load(tail).value().source, answer_source::recomputed);
  EXPECT_EQ(damages(), 1);
}

TEST_F(ReadingTest, ASummaryDoesNotMakeLossyRowsExact) {
  auto options = turn("hello", 30);
  options->kept = quality::balanced;
  complete_turn(options);
  auto chunk = first_chunk();
  rewrite(chunk, [](stored_value& value) { value.relative_error = 0; });
  EXPECT_GT(load(chunk).value().relative_error, 0);
}

TEST_F(ReadingTest, WhatCannotBeReadNorRecomputedKeepsItsCode) {
  options_.restorer.enabled = false;
  stop();
  start();
  complete_turn(turn("hello", 30));
  const auto chunk = first_chunk();
  damage(chunk);
  stop();
  options_.models.clear();
  start();
  const auto damaged = load(chunk);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, error_code::corrupt);
  auto absent = chunk;
  absent.name.bytes[0] ^= 1;
  const auto nowhere = load(absent);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, error_code::not_found);
  const auto before = view();
  caf::anon_send_exit(before->shard_of(chunk.name),
                      caf::exit_reason::user_shutdown);
  run();
  auto source = sys_->spawn(rows, before);
  const auto silent = ask<result<rows_loaded>>(rows_actor(source), chunk);
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, error_code::unavailable);
}

TEST_F(ReadingTest, OnlyTheRowsAndLayersAskedForAreDecoded) {
  complete_turn(turn("hello", 30));
  const auto whole = load(first_chunk()).value();
  auto one = first_chunk();
  one.row_begin = 6;
  one.row_end = 7;
  one.rows_behind = 1;
  one.slots = {one.shape.layers, 1};
  for (const bool restarted : {false, true}) {
    if (restarted) {
      stop();
      start();
    }
    const auto row = load(one).value();
    EXPECT_EQ(row.source,
              restarted ? answer_source::disk : answer_source::memory);
    EXPECT_EQ(row.rows->bytes(), 2 * 2 * one.shape.row_bytes());
    for (const auto slot : one.slots)
      for (std::uint32_t r = 6; r < 8; ++r)
        EXPECT_TRUE(std::ranges::equal(row.rows->row(slot, r),
                                       whole.rows->row(slot, r)));
  }
  one.row_begin = 15;
  one.row_end = 16;
  EXPECT_EQ(load(one).value().rows->row_end(), 16u)
      << "there is no row behind the chunk's last";
}

TEST_F(ReadingTest, DamageThatNobodyCanRepairStandsInTheLedger) {
  options_.restorer.enabled = false;
  stop();
  start();
  complete_turn(turn("hello", 30));
  const auto chunk = first_chunk();
  damage(chunk);
  EXPECT_EQ(load(chunk).value().source, answer_source::recomputed);
  EXPECT_EQ(activations(), presence::corrupt);
  stop();
  start();
  EXPECT_EQ(activations(), presence::corrupt) << "after a restart, too";
}

TEST_F(ReadingTest, WhatWasNeverAskedForIsNotStoredByALook) {
  auto options = turn("hello", 30);
  options->capture = false;
  complete_turn(options);
  auto chunk = first_chunk();
  chunk.restore = false;
  EXPECT_EQ(load(chunk).value().source, answer_source::recomputed);
  EXPECT_EQ(load(chunk).value().source, answer_source::recomputed);
  EXPECT_EQ(statistics().values, 0u);
}

TEST_F(ReadingTest, LossyRowsSayTheirErrorAndExactOnesAreComputedAgain) {
  auto options = turn("hello", 30);
  options->kept = quality::balanced;
  complete_turn(options);
  auto chunk = first_chunk();
  const auto lossy = load(chunk).value();
  EXPECT_GT(lossy.relative_error, 0);
  EXPECT_LE(lossy.relative_error, bounds_of(quality::balanced).row);
  chunk.exact = true;
  const auto exact = load(chunk).value();
  EXPECT_EQ(exact.source, answer_source::recomputed);
  EXPECT_EQ(exact.relative_error, 0);
  const auto slot = slot_of(site::resid_post, 0, chunk.shape.layers);
  EXPECT_FALSE(
      std::ranges::equal(exact.rows->rows(slot), lossy.rows->rows(slot)));
  chunk.exact = false;
  EXPECT_GT(load(chunk).value().relative_error, 0)
      << "lossy ones stay what is kept";
}

TEST_F(ReadingTest, ARecomputedChunkIsKeptInTheModelsQuality) {
  auto options = turn("hello", 30);
  options->kept = quality::high;
  complete_turn(options);
  auto chunk = first_chunk();
  damage(chunk);
  chunk.kept = quality::high;
  EXPECT_EQ(load(chunk).value().source, answer_source::recomputed);
  stop();
  start();
  const auto kept = load(chunk).value();
  EXPECT_EQ(kept.source, answer_source::disk);
  EXPECT_GT(kept.relative_error, 0);
  EXPECT_LE(kept.relative_error, bounds_of(quality::high).row);
}

TEST_F(ReadingTest, RecordsComputedForAClickAreInTheLedger) {
  auto options = turn("hello", 30);
  options->lens = lens_mode::on_demand;
  complete_turn(options);
  EXPECT_EQ(lens(), presence::on_demand);
  auto p = std::make_shared<peer>();
  p->connect(*sys_, top_, uid);
  wire::GetLensT ask;
  ask.conversation = conversation_text(newest_);
  for (position_t i = 0; i < chunk_positions; ++i)
    ask.positions.push_back(i);
  run();
  const auto click = p->begin(make_body(std::move(ask)));
  finish();
  EXPECT_NE(p->finish(click).last<wire::LensResultT>(), nullptr);
  EXPECT_EQ(lens(), presence::present);
  stop();
  start();
  EXPECT_EQ(lens(), presence::present) << "after a restart, too";
}

}  // namespace
}  // namespace lamina

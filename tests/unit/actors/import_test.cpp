// Conversations that a client brings: visible while they come, durable at the
// end, and never more than what was brought.
#include "actors/import.hpp"

#include <cstring>

#include "actors/codec/codec.hpp"
#include "actors/messages/import.hpp"
#include "actors/messages/shard.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

constexpr capture_shape shape{2, 64, dtype::float32};

/// Stands in for the session that brings.
caf::behavior nobody(caf::event_based_actor* self) {
  self->set_default_handler(caf::drop);
  return {[](int) {}};
}

class import_test : public actor_test {
 protected:
  import_test() {
    start();
    session_ = sys_->spawn(nobody);
  }
  ~import_test() override {
    caf::anon_send_exit(session_, caf::exit_reason::user_shutdown);
  }

  import_declaration declaration(quality kept = quality::lossless) {
    return {"elsewhere", {}, shape, all_sites, kept};
  }

  import_opened begin(import_declaration declared) {
    auto opened = ask<result<import_opened>>(
        view()->catalog,
        open_import{uid, std::move(declared),
                    caf::actor_cast<caf::strong_actor_ptr>(session_)});
    newest_ = opened.value().conversation;
    return opened.value();
  }

  caf::actor_addr address() const {
    return caf::actor_cast<caf::actor_addr>(session_);
  }

  /// Rows whose every element says slot and position.
  bring_rows rows(position_t first, std::uint32_t count,
                  std::uint32_t slots = shape.slots()) {
    bring_rows m;
    m.session = address();
    m.begin = first;
    std::vector<float> values;
    for (std::uint32_t s = 0; s < slots; ++s)
      for (position_t p = first; p < first + count; ++p)
        values.insert(values.end(), shape.width,
                      static_cast<float>(1000 * s + p + 1));
    for (position_t p = first; p < first + count; ++p)
      m.tokens.push_back({p, role::user, 0, "t"});
    auto bytes = std::make_shared<byte_buffer>(values.size() * sizeof(float));
    std::memcpy(bytes->data(), values.data(), bytes->size());
    m.rows = std::move(bytes);
    return m;
  }

  import_result bring(const import_opened& to, const bring_rows& m) {
    return ask<import_result>(to.import, m);
  }

  import_result end(const import_opened& what, bool wait = true) {
    return ask<import_result>(what.import, end_import{address(), wait});
  }

  /// The values that disk has of a chunk's resid_post.
  std::vector<stored_value_ptr> stored(std::uint32_t chunk) {
    const auto shown = show(newest_).value();
    return ask<values_read>(view()->readers[0],
                            read_values{value_keys(shown->chunks[chunk].name,
                                                   site::resid_post, shape)})
        .value();
  }

  caf::actor session_;
};

using ImportTest = import_test;

error_code code_of(const import_result& r) {
  return r ? error_code{} : r.error().code;
}

TEST_F(ImportTest, WhatIsBroughtIsDurableBitForBit) {
  const auto import = begin(declaration());
  ASSERT_TRUE(bring(import, rows(0, 10)));
  ASSERT_TRUE(bring(import, rows(10, 30)));
  const auto done = end(import).value();
  EXPECT_TRUE(done.durable);
  EXPECT_EQ(done.positions, 40u);
  EXPECT_EQ(done.durable_positions, 40u);
  finish();
  const auto shown = show(newest_).value();
  EXPECT_EQ(shown->record.state, turn_state::complete);
  EXPECT_EQ(shown->record.turns, 1u);
  EXPECT_EQ(shown->record.preview, std::string(16, 't'));
  ASSERT_EQ(shown->chunks.size(), 3u);
  for (std::uint32_t c = 0; c < 3; ++c) {
    EXPECT_EQ(shown->chunks[c].resid_post, presence::present);
    const auto values = stored(c);
    const auto back =
        decode_slots(shown->chunks[c].name, shape, 16 * c, values).value();
    for (position_t p = 16 * c; p < std::min(40u, 16 * c + 16); ++p) {
      float value;
      std::memcpy(&value, back->row(2, row_in_chunk(p)).data(), sizeof value);
      ASSERT_EQ(value, static_cast<float>(2000 + p + 1)) << p;
    }
  }
}

TEST_F(ImportTest, RowsAreVisibleBeforeTheEnd) {
  const auto import = begin(declaration());
  ASSERT_TRUE(bring(import, rows(0, 5)));
  const auto shown = show(newest_).value();
  EXPECT_EQ(shown->record.state, turn_state::running);
  const auto& chunk = shown->chunks.at(0);
  const auto found = ask<result<values_found>>(
      view()->shard_of(chunk.name),
      find_values{chunk.name, 0x1f,
                  value_keys(chunk.name, site::resid_post, shape)});
  EXPECT_TRUE(found.value().raw.chunk);
  ASSERT_TRUE(end(import));
}

TEST_F(ImportTest, ImportedChunksAreNobodyElses) {
  const auto one = begin(declaration());
  ASSERT_TRUE(bring(one, rows(0, 16)));
  ASSERT_TRUE(end(one));
  finish();
  const auto first = show(newest_).value();
  const auto two = begin(declaration());
  ASSERT_TRUE(bring(two, rows(0, 16)));
  ASSERT_TRUE(end(two));
  finish();
  const auto second = show(newest_).value();
  EXPECT_NE(first->record.root, second->record.root);
  EXPECT_NE(first->chunks[0].name, second->chunks[0].name);
  EXPECT_TRUE(second->record.is_brought());
}

TEST_F(ImportTest, PositionsOutOfOrderAndWrongSizesAreRefusedAndLoseNothing) {
  const auto import = begin(declaration());
  ASSERT_TRUE(bring(import, rows(0, 4)));
  EXPECT_EQ(code_of(bring(import, rows(5, 4))), error_code::out_of_range);
  EXPECT_EQ(code_of(bring(import, rows(3, 4))), error_code::out_of_range);
  EXPECT_EQ(code_of(bring(import, rows(4, 4, 1))),
            error_code::invalid_argument);
  auto earlier = rows(4, 4);
  earlier.tokens[0].turn = 1;
  EXPECT_EQ(code_of(bring(import, earlier)), error_code::invalid_argument);
  auto nobodys = rows(4, 4);
  nobodys.tokens[0].who = static_cast<role>(9);
  EXPECT_EQ(code_of(bring(import, nobodys)), error_code::invalid_argument);
  auto worse = rows(4, 4);
  worse.relative_error = std::nanf("");
  EXPECT_EQ(code_of(bring(import, worse)), error_code::invalid_argument);
  ASSERT_TRUE(bring(import, rows(4, 4)));
  EXPECT_EQ(end(import).value().positions, 8u);
}

TEST_F(ImportTest, AnotherConnectionIsToldBusy) {
  const auto import = begin(declaration());
  const auto other = sys_->spawn(nobody);
  auto foreign = rows(0, 4);
  foreign.session = caf::actor_cast<caf::actor_addr>(other);
  EXPECT_EQ(code_of(bring(import, foreign)), error_code::conversation_busy);
  EXPECT_EQ(open(turn("me too"), newest_).error().code,
            error_code::conversation_busy);
  caf::anon_send_exit(other, caf::exit_reason::user_shutdown);
  EXPECT_EQ(
      ask<result<import_opened>>(view()->catalog, find_import{uid + 1, newest_})
          .error()
          .code,
      error_code::not_found);
}

TEST_F(ImportTest, WhenItsConnectionGoesWhatCameIsKeptAsInterrupted) {
  const auto import = begin(declaration());
  ASSERT_TRUE(bring(import, rows(0, 20)));
  caf::anon_send_exit(session_, caf::exit_reason::kill);
  finish();
  auto shown = show(newest_).value();
  EXPECT_EQ(shown->record.state, turn_state::interrupted);
  EXPECT_EQ(shown->durable, 20u);
  stop();
  start();
  shown = show(newest_).value();
  EXPECT_EQ(shown->record.state, turn_state::interrupted);
  EXPECT_EQ(shown->chunks[1].tokens.size(), 4u);
  EXPECT_EQ(shown->chunks[1].resid_post, presence::present);
}

TEST_F(ImportTest, AnImportThatBroughtNothingLeavesNothing) {
  const auto import = begin(declaration());
  EXPECT_EQ(code_of(end(import)), error_code::invalid_argument);
  finish();
  EXPECT_FALSE(show(newest_));
}

TEST_F(ImportTest, RowsWithAnErrorKeepItAndAreNotEncodedLossilyAgain) {
  auto rough = rows(0, 16);
  rough.relative_error = 0.07f;
  const auto lossy = begin(declaration(quality::small));
  EXPECT_EQ(code_of(bring(lossy, rough)), error_code::invalid_argument);
  const auto import = begin(declaration());
  ASSERT_TRUE(bring(import, rough));
  ASSERT_TRUE(end(import));
  finish();
  for (const auto& value : stored(0)) {
    EXPECT_EQ(check(value->key, value->bytes).value().errors.row, 0.07f);
    EXPECT_EQ(check(value->key, value->bytes).value().kept, quality::lossless);
  }
}

TEST_F(ImportTest, SitesThatAreNotBroughtWereNeverAskedFor) {
  auto declared = declaration();
  declared.sites = mask_of(site::resid_post);
  const auto import = begin(declared);
  ASSERT_TRUE(bring(import, rows(0, 16, shape.layers)));
  ASSERT_TRUE(end(import));
  finish();
  const auto shown = show(newest_).value();
  const auto& chunk = shown->chunks[0];
  EXPECT_EQ(chunk.resid_post, presence::present);
  EXPECT_EQ(chunk.embed, presence::never_asked);
  EXPECT_EQ(chunk.final_norm, presence::never_asked);
  const auto embed = value_keys(chunk.name, site::embed, shape);
  EXPECT_FALSE(
      ask<values_read>(view()->readers[0], read_values{embed}).value()[0]);
}

TEST_F(ImportTest, TokensWithoutRowsAreKept) {
  const auto import = begin(declaration());
  auto bare = rows(0, 20);
  bare.rows = nullptr;
  ASSERT_TRUE(bring(import, bare));
  EXPECT_TRUE(end(import).value().durable);
  finish();
  const auto shown = show(newest_).value();
  EXPECT_EQ(shown->record.positions, 20u);
  EXPECT_EQ(shown->chunks[0].resid_post, presence::never_asked);
}

TEST_F(ImportTest, LensRecordsComeBackAsTheyWereBrought) {
  const auto import = begin(declaration());
  ASSERT_TRUE(bring(import, rows(0, 20)));
  auto brought = std::make_shared<lens_rows>();
  brought->layers = shape.layers;
  brought->records.resize(20 * (shape.layers + 1));
  for (std::size_t i = 0; i < brought->records.size(); ++i)
    brought->records[i].entropy = static_cast<float>(i);
  auto beyond = std::make_shared<lens_rows>(*brought);
  beyond->first = 1;
  EXPECT_EQ(
      code_of(ask<import_result>(import.import, bring_lens{address(), beyond})),
      error_code::out_of_range);
  ASSERT_TRUE(
      ask<import_result>(import.import, bring_lens{address(), brought}));
  ASSERT_TRUE(end(import));
  finish();
  const auto shown = show(newest_).value();
  for (std::uint32_t c = 0; c < 2; ++c) {
    EXPECT_EQ(shown->chunks[c].lens, presence::present);
    const auto kept =
        ask<lens_read>(view()->readers[0], read_lens{shown->chunks[c].name})
            .value();
    ASSERT_TRUE(kept);
    const auto rows_there = (1u << shown->chunks[c].tokens.size()) - 1;
    EXPECT_EQ(kept->complete, rows_there);
    EXPECT_EQ(kept->at(3, 1).entropy,
              static_cast<float>((16 * c + 3) * (shape.layers + 1) + 2));
  }
}

TEST_F(ImportTest, BeyondItsBytesInFlightAFrameWaits) {
  caf::anon_send_exit(session_, caf::exit_reason::user_shutdown);
  session_ = nullptr;  // a system ends with the last of its actors
  run();
  stop();
  options_.catalog.import_in_flight_bytes_max = 1;  // so: two chunks
  start();
  session_ = sys_->spawn(nobody);
  const auto import = begin(declaration());
  // Three chunks are on their way before the first commit's delay is over.
  auto answer = std::make_shared<bool>(false);
  auto asker = [answer, to = import.import,
                m = rows(0, 48)](caf::event_based_actor* self) {
    self->request(to, caf::infinite, m)
        .then([answer](const import_result& r) { *answer = r.has_value(); },
              [](const caf::error&) {});
  };
  sys_->spawn(asker);
  run();
  EXPECT_FALSE(*answer);
  finish();
  EXPECT_TRUE(*answer);
  ASSERT_TRUE(end(import));
}

TEST_F(ImportTest, MoreThanAFewAtOnceAreTooMany) {
  for (std::uint32_t i = 0; i < options_.catalog.imports_max; ++i)
    begin(declaration());
  EXPECT_EQ(ask<result<import_opened>>(
                view()->catalog,
                open_import{uid, declaration(),
                            caf::actor_cast<caf::strong_actor_ptr>(session_)})
                .error()
                .code,
            error_code::overloaded);
}

}  // namespace
}  // namespace lamina

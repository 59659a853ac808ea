// The ledger at full fidelity, the accounts, and verifying what is stored, as a
// client asks for them.
#include <functional>

#include "actors/messages/auditor.hpp"
#include "protocol/id_text.hpp"
#include "protocol/limits.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

class audit_test : public actor_test {
 protected:
  audit_test() { start(); }

  peer::answer ask_daemon(wire::BodyUnion body, std::uint32_t who = uid) {
    auto p = std::make_shared<peer>();
    p->connect(*sys_, top_, who);
    run();
    const auto request = p->begin(std::move(body));
    finish();
    auto answer = p->finish(request);
    p->disconnect();
    run();
    return answer;
  }

  wire::ConversationT ledger(conversation_id id) {
    wire::ShowConversationT ask;
    ask.conversation = conversation_text(id);
    ask.ledger = ask.usage = true;
    const auto answer = ask_daemon(make_body(std::move(ask)));
    const auto* shown = answer.last<wire::ConversationT>();
    EXPECT_NE(shown, nullptr);
    return shown ? *shown : wire::ConversationT{};
  }

  wire::VerifyResultT verify(conversation_id id = 0, std::uint32_t sample = 0,
                             std::uint32_t who = uid) {
    wire::VerifyCacheT ask;
    if (id != 0) ask.conversation = conversation_text(id);
    ask.sample = sample;
    const auto answer = ask_daemon(make_body(std::move(ask)), who);
    const auto* verified = answer.last<wire::VerifyResultT>();
    EXPECT_NE(verified, nullptr);
    return verified ? *verified : wire::VerifyResultT{};
  }

  std::vector<digest> names(conversation_id id) {
    const auto shown = show(id).value();
    std::vector<digest> all;
    for (const auto& chunk : shown->chunks)
      all.push_back(chunk.name);
    return all;
  }

  /// Changes the store while the system is down.
  void behind_its_back(const std::function<void(store&)>& change) {
    stop();
    {
      auto env = store::open({.directory = directory_, .map_bytes = map_bytes})
                     .value();
      change(*env);
    }
    start();
  }

  /// One bit of one value turns over.
  void flip_a_bit(const value_key& key) {
    behind_its_back([&](store& env) {
      const auto value = env.reader()->values({&key, 1}).value().front();
      auto spoilt = std::make_shared<stored_value>(*value);
      spoilt->bytes[spoilt->bytes.size() / 2] ^= std::byte{4};
      const std::vector<write_op> ops{put_values{key.chunk, {spoilt}}};
      ASSERT_TRUE(env.commit(ops));
    });
  }

  static std::string state(const wire::ConversationT& c, std::size_t chunk) {
    return c.ledger.at(chunk)->resid_post;
  }
};

using AuditTest = audit_test;

TEST_F(AuditTest, TheLedgerSaysQualityAndErrorOfEveryLayer) {
  auto options = turn("hello", 30);
  options->kept = quality::balanced;
  complete_turn(options);
  const auto shown = ledger(newest_);
  ASSERT_EQ(shown.ledger.size(), (shown.positions + 15) / 16);
  for (const auto& entry : shown.ledger) {
    ASSERT_EQ(entry->lines.size(), 3u);
    for (const auto& line : entry->lines) {
      EXPECT_EQ(line->state, "present");
      EXPECT_EQ(line->quality, "balanced");
      EXPECT_GT(line->relative_error, 0);
      EXPECT_LE(line->relative_error, bounds_of(quality::balanced).row);
      EXPECT_EQ(line->position_begin, entry->position_begin);
      EXPECT_EQ(line->position_end, entry->position_end);
      EXPECT_GT(line->stored_bytes, 0u);
    }
    EXPECT_EQ(entry->lines[1]->layer_end, 2u) << "the tiny model has two";
    EXPECT_EQ(entry->lens, "present");
  }
}

TEST_F(AuditTest, WithoutTheLedgerNothingIsReadForIt) {
  complete_turn(turn("hello", 30));
  wire::ShowConversationT plain;
  plain.conversation = conversation_text(newest_);
  const auto answer = ask_daemon(make_body(std::move(plain)));
  const auto* shown = answer.last<wire::ConversationT>();
  ASSERT_NE(shown, nullptr);
  EXPECT_TRUE(shown->ledger.empty());
  EXPECT_EQ(shown->holding, nullptr);
  EXPECT_EQ(shown->tokens.size(), shown->positions);
}

TEST_F(AuditTest, AConversationHoldsWhatItSharesApart) {
  complete_turn(turn("hello", 40));
  const auto alone = ledger(newest_);
  ASSERT_NE(alone.holding, nullptr);
  EXPECT_GT(alone.holding->unique_activation_bytes, 0u);
  EXPECT_GT(alone.holding->unique_lens_bytes, 0u);
  EXPECT_EQ(alone.holding->shared_activation_bytes, 0u);
  ASSERT_TRUE(ask<record_result>(view()->catalog,
                                 split_conversation{uid, newest_, 32}));
  const auto both = ledger(newest_);
  EXPECT_GT(both.holding->shared_activation_bytes, 0u);
  EXPECT_EQ(both.holding->unique_activation_bytes +
                both.holding->shared_activation_bytes,
            alone.holding->unique_activation_bytes);
}

TEST_F(AuditTest, UsageAddsUpToTheByte) {
  complete_turn(turn("one", 40));
  const auto first = newest_;
  ASSERT_TRUE(
      ask<record_result>(view()->catalog, split_conversation{uid, first, 32}));
  complete_turn(turn("two", 40));
  const auto answer = ask_daemon(make_body(wire::GetUsageT{}));
  const auto* u = answer.last<wire::UsageT>();
  ASSERT_NE(u, nullptr);
  ASSERT_EQ(u->conversations.size(), 3u);
  ASSERT_EQ(u->owners.size(), 1u);
  EXPECT_EQ(u->owners[0]->conversations, 3u);
  const auto& owner = *u->owners[0]->holding;
  EXPECT_EQ(owner.shared_activation_bytes, 0u) << "nobody else has a part";
  EXPECT_EQ(owner.unique_activation_bytes + owner.unique_lens_bytes,
            u->held_bytes);
  std::uint64_t unique = 0, shared = 0;
  for (const auto& c : u->conversations) {
    unique += c->holding->unique_activation_bytes;
    shared = std::max(shared, c->holding->shared_activation_bytes);
  }
  EXPECT_EQ(unique + shared, owner.unique_activation_bytes);
  const auto& f = *u->file;
  EXPECT_EQ(f.file_bytes + f.unwritten_bytes - f.behind_bytes,
            f.own_bytes + f.live_bytes + f.rounding_bytes + f.free_bytes);
  const auto one = ledger(first);
  for (const auto& c : u->conversations) {
    if (c->conversation != one.id) continue;
    EXPECT_EQ(c->holding->unique_activation_bytes,
              one.holding->unique_activation_bytes);
    EXPECT_EQ(c->holding->shared_lens_bytes, one.holding->shared_lens_bytes);
    EXPECT_EQ(c->holding->record_bytes, one.holding->record_bytes);
  }
}

TEST_F(AuditTest, SomebodyElseSeesNeitherConversationsNorModels) {
  complete_turn(turn("hello", 20));
  const auto answer = ask_daemon(make_body(wire::GetUsageT{}), uid + 1);
  const auto* u = answer.last<wire::UsageT>();
  ASSERT_NE(u, nullptr);
  EXPECT_TRUE(u->conversations.empty());
  EXPECT_TRUE(u->owners.empty());
  EXPECT_TRUE(u->models.empty());
  EXPECT_EQ(verify(0, 0, uid + 1).conversations, 0u);
}

TEST_F(AuditTest, ASoundStoreVerifiesAndItsErrorsAreTheStoredOnes) {
  for (const auto kept :
       {quality::lossless, quality::high, quality::balanced, quality::small}) {
    auto options = turn("kept as " + std::string(to_string(kept)), 40);
    options->kept = kept;
    complete_turn(options);
  }
  const auto v = verify(0, 100);
  EXPECT_EQ(v.damages_found, 0u);
  EXPECT_EQ(v.conversations, 4u);
  EXPECT_EQ(v.chunks_checked, v.chunks_total);
  EXPECT_EQ(v.chunks_recomputed, v.chunks_total);
  EXPECT_EQ(v.chunks_not_recomputed, 0u);
  EXPECT_EQ(v.values, statistics().values);
  EXPECT_EQ(v.value_bytes, statistics().value_bytes);
  EXPECT_EQ(v.lens_blocks, v.chunks_total);
  ASSERT_EQ(v.fidelities.size(), 4u);
  for (const auto& f : v.fidelities) {
    const auto kept = *quality_named(f->quality);
    EXPECT_GT(f->rows_compared, 0u);
    EXPECT_LE(f->stored_error_max, bounds_of(kept).row);
    EXPECT_LE(f->stored_error_mean, f->stored_error_max);
    // The tiny model computes in float32.
    EXPECT_LE(f->true_error_max,
              f->stored_error_max + recomputing_error_max(dtype::float32));
    EXPECT_EQ(f->true_error_mean > 1e-3f, is_lossy(kept));
  }
  EXPECT_TRUE(v.last);
}

TEST_F(AuditTest, AFlippedBitIsFoundNamedMarkedAndHealedByTheNextReader) {
  complete_turn(turn("hello", 40));
  const auto spoilt = names(newest_)[1];
  flip_a_bit({spoilt, site::resid_post, 0});
  const auto v = verify(newest_);
  ASSERT_EQ(v.damages_found, 1u);
  const auto& d = *v.damages[0];
  EXPECT_EQ(d.conversation, conversation_text(newest_));
  EXPECT_EQ(d.chunk, 1u);
  EXPECT_EQ(d.name, to_string(spoilt));
  EXPECT_EQ(d.position_begin, 16u);
  EXPECT_EQ(d.part, "resid_post");
  EXPECT_EQ(d.layer_begin, 0u);
  EXPECT_EQ(d.layer_end, 2u);
  EXPECT_EQ(d.kind, "corrupt");
  auto shown = ledger(newest_);
  EXPECT_EQ(state(shown, 1), "corrupt");
  EXPECT_EQ(shown.ledger[1]->embed, "present") << "only that site";
  EXPECT_EQ(state(shown, 0), "present");
  stop();
  start();
  EXPECT_EQ(state(ledger(newest_), 1), "corrupt") << "after a restart, too";

  wire::GetActivationsT read;
  read.conversation = conversation_text(newest_);
  read.position_begin = 20;
  read.position_end = 21;
  const auto answer = ask_daemon(make_body(std::move(read)));
  const auto* rows = answer.last<wire::ActivationsT>();
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->source, "recomputed");
  EXPECT_EQ(state(ledger(newest_), 1), "present");
  EXPECT_EQ(verify().damages_found, 0u);
}

TEST_F(AuditTest, DamageInASharedChunkIsToldOfEveryConversationThatHasIt) {
  complete_turn(turn("hello", 40));
  const auto origin = newest_;
  const auto fork =
      ask<record_result>(view()->catalog, split_conversation{uid, origin, 32})
          .value()
          .id;
  flip_a_bit({names(origin)[0], site::embed, 0});
  const auto v = verify();
  EXPECT_EQ(v.damages_found, 2u);
  EXPECT_EQ(ledger(origin).ledger[0]->embed, "corrupt");
  EXPECT_EQ(ledger(fork).ledger[0]->embed, "corrupt");
  EXPECT_EQ(state(ledger(fork), 0), "present");
}

TEST_F(AuditTest, RowsThatTheModelDoesNotComputeAreReportedAsDiffering) {
  complete_turn(turn("hello", 40));
  const value_key key{names(newest_)[1], site::final_norm, 0};
  const auto shape = show(newest_).value()->record.shape;
  // A sound value of other rows: no checksum can tell.
  behind_its_back([&](store& env) {
    const raw_chunk zeros(shape, chunk_positions);
    const std::vector<write_op> ops{
        put_values{key.chunk,
                   {std::make_shared<stored_value>(
                       encode(key, zeros, 16, quality::lossless))}}};
    ASSERT_TRUE(env.commit(ops));
  });
  EXPECT_EQ(verify().damages_found, 0u) << "without a sample";
  const auto v = verify(newest_, 100);
  ASSERT_EQ(v.damages_found, 1u);
  EXPECT_EQ(v.damages[0]->kind, "differs");
  EXPECT_EQ(v.damages[0]->part, "final_norm");
  EXPECT_EQ(v.damages[0]->chunk, 1u);
}

TEST_F(AuditTest, WithoutItsModelAConversationIsReadButNotComputed) {
  complete_turn(turn("hello", 40));
  stop();
  options_.models[0].model.name = "other";
  start();
  const auto v = verify(0, 5);
  EXPECT_EQ(v.damages_found, 0u);
  EXPECT_GT(v.values, 0u);
  EXPECT_EQ(v.chunks_recomputed, 0u);
  EXPECT_EQ(v.chunks_not_recomputed, v.chunks_total);
}

TEST_F(AuditTest, EvictedActivationsAreNoDamageAndComeBackWithAReader) {
  complete_turn(turn("hello", 40));
  stop();
  options_.disk.retention.disk_bytes_max = 1;
  start();
  advance(options_.disk.retention_delay);
  finish();
  EXPECT_EQ(state(ledger(newest_), 0), "evicted");
  stop();
  options_.disk.retention = {};
  start();
  EXPECT_EQ(state(ledger(newest_), 0), "evicted");
  EXPECT_EQ(verify().damages_found, 0u);
  wire::GetActivationsT read;
  read.conversation = conversation_text(newest_);
  read.position_end = 32;
  const auto answer = ask_daemon(make_body(std::move(read)));
  const auto* rows = answer.last<wire::ActivationsT>();
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->source, "recomputed");
  EXPECT_EQ(state(ledger(newest_), 0), "present");
  EXPECT_EQ(state(ledger(newest_), 1), "present");
  EXPECT_EQ(state(ledger(newest_), 2), "evicted") << "nobody asked for it";
  EXPECT_EQ(verify(0, 10).damages_found, 0u);
}

TEST_F(AuditTest, AVerificationEndsWhenItIsCancelled) {
  stop();
  options_.audit.slice_chunks = 1;
  start();
  complete_turn(turn("hello", 60));
  auto p = std::make_shared<peer>();
  p->connect(*sys_, top_, uid);
  run();
  const auto request = p->begin(make_body(wire::VerifyCacheT{}));
  for (int i = 0; i < 8; ++i)
    scheduler().try_run_once();
  wire::CancelT cancel;
  cancel.request = request;
  p->begin(make_body(cancel));
  finish();
  const auto answer = p->finish(request);
  const auto* ended = answer.last<wire::ErrorT>();
  ASSERT_NE(ended, nullptr);
  EXPECT_EQ(ended->name, "cancelled");
  p->disconnect();
  run();
}

TEST_F(AuditTest, WhatIsNotThereAndAnImpossibleSampleAreSaid) {
  wire::VerifyCacheT ask;
  ask.conversation = "0000000000001";
  auto answer = ask_daemon(make_body(wire::VerifyCacheT(ask)));
  EXPECT_EQ(answer.last<wire::ErrorT>()->name, "not_found");
  ask.conversation = "?";
  answer = ask_daemon(make_body(wire::VerifyCacheT(ask)));
  EXPECT_EQ(answer.last<wire::ErrorT>()->name, "invalid_argument");
  ask = {};
  ask.sample = limits::verify_sample_max + 1;
  answer = ask_daemon(make_body(wire::VerifyCacheT(ask)));
  EXPECT_EQ(answer.last<wire::ErrorT>()->name, "limit_exceeded");
}

}  // namespace
}  // namespace lamina

// How sequences run, end and continue: on the golden llama, whose greedy
// answers are known.
#include <chrono>
#include <numeric>

#include "tests/unit/model/fixture.hpp"

namespace lamina {
namespace {

using namespace test;

constexpr std::uint32_t slots = 4;  // embed, two layers, final norm

sequence_request turn(std::vector<token_id> tokens, std::uint32_t answer) {
  sequence_request r;
  r.conversation = 1;
  r.tokens = std::move(tokens);
  r.max_new_tokens = answer;
  return r;
}

class Engine : public ::testing::Test {
 protected:
  model_ptr model_ = golden_model();
  std::vector<token_id> prompt_ = goldens("p1").tokens("input_ids");
  std::vector<token_id> answer_ = goldens("p1").tokens("greedy");

  std::string text_of(token_id id) const {
    return std::string(model_->text().bytes_of(id));
  }
  std::string answer_text(std::size_t begin, std::size_t end) const {
    std::string text;
    for (std::size_t i = begin; i < end; ++i)
      text += text_of(answer_[i]);
    return text;
  }
  std::vector<token_id> answer_upto(std::size_t end) const {
    return {answer_.begin(), answer_.begin() + end};
  }
  outcome stopped_by(std::vector<std::string> stops, bool eager = false) {
    sequence_request r = turn(prompt_, 16);
    r.stop = std::move(stops);
    if (eager) r.lens = lens_mode::eager;
    return run_one(model_, r);
  }
};

TEST_F(Engine, LastTokenOfAnAnswerHasRowsAndLens) {
  sequence_request r = turn(prompt_, 5);
  r.lens = lens_mode::eager;
  const auto o = run_one(model_, r);
  const auto length = static_cast<position_t>(prompt_.size() + 5);
  EXPECT_EQ(o.tokens, answer_upto(5));
  EXPECT_EQ(o.rows.size(), length * slots);
  EXPECT_TRUE(o.has_row(length - 1));
  EXPECT_EQ(o.lens.size(), length);
  EXPECT_FALSE(o.rated.at(0));
  EXPECT_TRUE(o.rated.at(length - 1));
  // Greedy: the last layer's first choice at p-1 is the token at p.
  for (position_t p = prompt_.size(); p < length; ++p) {
    EXPECT_EQ(o.lens.at(p).back().of_this.rank, 0u);
    EXPECT_EQ(o.lens.at(p - 1).back().top_ids[0], o.tokens[p - prompt_.size()]);
    EXPECT_FLOAT_EQ(o.lens.at(p).back().of_this.log_probability,
                    o.lens.at(p - 1).back().top_log_probabilities[0]);
  }
}

TEST_F(Engine, NoCaptureAnnouncesNoRows) {
  sequence_request r = turn(prompt_, 3);
  r.capture = false;
  r.lens = lens_mode::eager;
  const auto o = run_one(model_, r);
  EXPECT_EQ(o.tokens, answer_upto(3));
  EXPECT_TRUE(o.rows.empty());
  EXPECT_TRUE(o.lens.empty());
}

TEST_F(Engine, ThreeTurnsEqualOnePass) {
  const auto e = engine::create(model_, {});
  std::vector<token_id> tokens = {5, 6, 7, 8, 9, 10, 11};
  outcome whole;  // rows as the conversation's store would hold them
  for (int round = 0; round < 3; ++round) {
    sequence_request r = turn(tokens, 14);
    r.lens = lens_mode::eager;
    // The open tail of the turn before is computed again.
    r.capture_from =
        round == 0 ? 0 : first_position(chunk_of(tokens.size() - 6));
    const auto o = run_one(*e, r);
    EXPECT_EQ(o.prompt_reused, round == 0 ? 0 : r.capture_from - 1);
    EXPECT_EQ(o.finished, finish_reason::length);
    for (const auto& [at, row] : o.rows)
      whole.rows[at] = row;
    for (const auto& [p, records] : o.lens) {
      whole.lens[p] = records;
      EXPECT_EQ(o.rated.at(p), p > 0);
    }
    tokens.insert(tokens.end(), o.tokens.begin(), o.tokens.end());
    for (token_id question = 20; question < 26; ++question)
      tokens.push_back(question + 10 * round);
  }
  tokens.resize(tokens.size() - 6);  // the last question was not asked
  sequence_request all = turn(tokens, 0);
  all.lens = lens_mode::eager;
  const auto once = run_one(model_, all);
  ASSERT_EQ(once.rows.size(), tokens.size() * slots);
  EXPECT_EQ(whole.rows.size(), once.rows.size());
  expect_rows_near(whole, once);
  for (const auto& [p, records] : once.lens)
    for (std::size_t l = 0; l < records.size(); ++l) {
      EXPECT_NEAR(whole.lens.at(p)[l].entropy, records[l].entropy, 1e-4);
      if (p == 0) continue;
      EXPECT_NEAR(whole.lens.at(p)[l].of_this.log_probability,
                  records[l].of_this.log_probability, 1e-4);
    }
}

TEST_F(Engine, PredecessorOfCaptureIsAnnouncedOnce) {
  const auto e = engine::create(model_, {});
  run_one(*e, turn(prompt_, 0));
  sequence_request r = turn(prompt_, 4);
  r.capture_from = 32;
  const auto id = e->add(r).value();
  int predecessors = 0;
  while (!e->idle())
    for (const auto& p : e->step()) {
      EXPECT_EQ(p.sequence, id);
      EXPECT_EQ(p.prompt_reused, 31u);
      for (const auto& rows : p.rows) {
        if (rows.chunk->first() == 16) {
          EXPECT_EQ(rows.begin, 15u);
          EXPECT_EQ(rows.end, 16u);
          ++predecessors;
        } else {
          EXPECT_EQ(rows.chunk->first(), 32u);
          EXPECT_EQ(rows.begin, 0u);
        }
      }
    }
  EXPECT_EQ(predecessors, 1);
}

TEST_F(Engine, EagerLensLeavesThePredecessorOut) {
  sequence_request r = turn(prompt_, 2);
  r.capture_from = 16;
  r.lens = lens_mode::eager;
  const auto o = run_one(model_, r);
  EXPECT_EQ(o.lens.begin()->first, 16u);
  EXPECT_TRUE(o.rated.at(16));
  EXPECT_TRUE(o.has_row(15));
  EXPECT_FALSE(o.has_row(14));
}

TEST_F(Engine, ReusesTheLongestCommonPrefix) {
  const auto e = engine::create(model_, {});
  EXPECT_EQ(run_one(*e, turn(prompt_, 4)).prompt_reused, 0u);
  EXPECT_EQ(e->stats().idle_caches, 1u);
  sequence_request again = turn(prompt_, 4);
  again.capture = false;
  auto o = run_one(*e, again);
  EXPECT_EQ(o.prompt_reused, prompt_.size() - 1);  // one is always forwarded
  EXPECT_EQ(o.tokens, answer_upto(4));
  again.tokens[20] ^= 1;  // diverges there
  EXPECT_EQ(run_one(*e, again).prompt_reused, 20u);
  e->forget(1);
  EXPECT_EQ(run_one(*e, again).prompt_reused, 0u);
}

TEST_F(Engine, AConversationTakesItsBeginningFromAnotherOfItsOwner) {
  const auto e = engine::create(model_, {});
  run_one(*e, turn(prompt_, 4));
  sequence_request other = turn(prompt_, 8);
  other.conversation = 2;
  other.lens = lens_mode::eager;
  other.capture_from = 16;
  const auto shared = run_one(*e, other);
  EXPECT_EQ(shared.prompt_reused, 15u) << "up to what is to be captured";
  EXPECT_EQ(shared.tokens, answer_upto(8));
  const auto alone = run_one(model_, other);
  EXPECT_EQ(alone.prompt_reused, 0u);
  EXPECT_EQ(shared.rows.size(), alone.rows.size()) << "none is missing";
  expect_rows_near(shared, alone);
  EXPECT_EQ(shared.lens.size(), alone.lens.size());
  EXPECT_EQ(e->stats().idle_caches, 2u) << "the source keeps its own";
  other.conversation = 3;
  other.owner = "somebody else";
  EXPECT_EQ(run_one(*e, other).prompt_reused, 0u);
}

TEST_F(Engine, ABeginningIsTakenFromARunningSequenceToo) {
  const auto e = engine::create(model_, {});
  const auto first = e->add(turn(prompt_, 16)).value();
  outcomes all;
  for (int i = 0; i < 4; ++i)
    for (const auto& p : e->step())
      all[first].take(p);
  sequence_request other = turn(prompt_, 16);
  other.conversation = 2;
  other.capture = false;
  other.tokens.insert(other.tokens.end(), {answer_[0], answer_[1], 7});
  const auto second = e->add(other).value();
  run(*e, all);
  EXPECT_EQ(all[second].prompt_reused, prompt_.size() + 2);
  EXPECT_EQ(all[first].tokens, answer_) << "the source does not notice";
  EXPECT_EQ(all[second].tokens, run_one(model_, other).tokens);
}

TEST_F(Engine, PagesThatSeveralCachesShareAreCountedOnce) {
  engine_options options;
  const std::size_t page = 2 * 2 * 2 * 64 * 16 * sizeof(float);
  options.kv_budget_bytes = 3 * page;
  const auto e = engine::create(model_, options);
  sequence_request r = turn(std::vector<token_id>(100, 5), 0);
  r.capture = false;
  run_one(*e, r);
  EXPECT_EQ(e->stats().kv_bytes_idle, 2 * page);
  r.conversation = 2;
  r.tokens[80] = 6;
  r.max_new_tokens = 1;
  const auto id = e->add(r).value();
  EXPECT_EQ(e->stats().kv_bytes_running, 0u) << "all of it is the other's";
  e->step();
  EXPECT_EQ(e->stats().kv_bytes_running, page) << "its own second page";
  outcomes all;
  run(*e, all);
  EXPECT_EQ(all[id].prompt_reused, 80u);
  EXPECT_EQ(e->stats().kv_bytes_running, 0u);
  EXPECT_EQ(e->stats().kv_bytes_idle, 3 * page);
  EXPECT_EQ(e->stats().idle_caches, 2u) << "they fit the budget";
  e->forget(1);
  EXPECT_EQ(e->stats().kv_bytes_idle, 2 * page) << "the first is in use";
  r.tokens[80] = 7;
  EXPECT_EQ(run_one(*e, r).prompt_reused, 80u);
}

TEST_F(Engine, RecomputationLeavesTheCacheToTheConversation) {
  const auto e = engine::create(model_, {});
  run_one(*e, turn(prompt_, 0));
  sequence_request recompute = turn({prompt_.begin(), prompt_.begin() + 20}, 0);
  recompute.keep_cache = false;
  recompute.capture_from = 16;
  EXPECT_EQ(run_one(*e, recompute).prompt_reused, 15u);
  recompute.tokens[17] ^= 1;  // writes other keys at 17: to its own pages
  EXPECT_EQ(run_one(*e, recompute).prompt_reused, 15u);
  sequence_request next = turn(prompt_, 8);
  next.capture = false;
  const auto o = run_one(*e, next);
  EXPECT_EQ(o.prompt_reused, prompt_.size() - 1);
  EXPECT_EQ(o.tokens, answer_upto(8));
}

TEST_F(Engine, IdleCachesStayWithinTheBudget) {
  engine_options options;
  const std::size_t page = 2 * 2 * 2 * 64 * 16 * sizeof(float);
  options.kv_budget_bytes = 2 * page;
  const auto e = engine::create(model_, options);
  for (std::uint64_t conversation = 1; conversation <= 3; ++conversation) {
    sequence_request r = turn(prompt_, 0);
    r.conversation = conversation;
    r.owner = std::to_string(conversation);
    run_one(*e, r);
  }
  EXPECT_EQ(e->stats().idle_caches, 2u);
  EXPECT_EQ(e->stats().kv_bytes_idle, 2 * page);
  sequence_request r = turn(prompt_, 0);
  r.capture = false;
  EXPECT_EQ(run_one(*e, r).prompt_reused, 0u);  // the oldest went
  r.conversation = 3;
  r.owner = "3";
  EXPECT_GT(run_one(*e, r).prompt_reused, 0u);
}

TEST_F(Engine, StopStringIsCutFromTheAnswer) {
  const auto o = stopped_by({answer_text(5, 7)}, true);
  EXPECT_EQ(o.finished, finish_reason::stop);
  EXPECT_EQ(o.tokens, answer_upto(5));
  EXPECT_FALSE(o.last_token_text_bytes);
  const auto length = static_cast<position_t>(prompt_.size() + 5);
  EXPECT_EQ(o.rows.size(), length * slots);
  EXPECT_TRUE(o.has_row(length - 1));
  EXPECT_EQ(o.lens.size(), length);
}

TEST_F(Engine, StopInsideATokenKeepsAndFlagsIt) {
  const std::string first = text_of(answer_[5]);
  ASSERT_GT(first.size(), 1u);
  const auto o = stopped_by({first.substr(1) + text_of(answer_[6])});
  EXPECT_EQ(o.finished, finish_reason::stop);
  EXPECT_EQ(o.tokens, answer_upto(6));
  EXPECT_EQ(o.last_token_text_bytes, 1u);
  EXPECT_TRUE(o.has_row(prompt_.size() + 5));
}

// The token just sampled is kept, so it is still to be forwarded.
TEST_F(Engine, StopThatEndsInItsFirstTokenForwardsIt) {
  const std::string text = text_of(answer_[5]);
  const auto o = stopped_by({text.substr(1)});
  EXPECT_EQ(o.tokens, answer_upto(6));
  EXPECT_EQ(o.last_token_text_bytes, 1u);
  EXPECT_TRUE(o.has_row(prompt_.size() + 5));
}

TEST_F(Engine, TokensThatMayBecomeAStopAreWithheld) {
  const auto e = engine::create(model_, {});
  sequence_request r = turn(prompt_, 16);
  r.stop = {answer_text(3, 6) + "never"};
  r.lens = lens_mode::eager;
  ASSERT_TRUE(e->add(r));
  std::vector<std::size_t> announced;
  outcome o;
  while (!e->idle())
    for (const auto& p : e->step()) {
      o.take(p);
      announced.push_back(o.tokens.size());
      const auto rows = o.rows.size() / slots;
      EXPECT_LE(rows, prompt_.size() + o.tokens.size());
    }
  // 3 tokens come at once, 3 are held back until the 7th decides.
  ASSERT_GE(announced.size(), 7u);
  EXPECT_THAT(std::vector(announced.begin(), announced.begin() + 7),
              ::testing::ElementsAre(1, 2, 3, 3, 3, 3, 7));
  EXPECT_EQ(o.tokens, answer_);
  EXPECT_EQ(o.rows.size(), (prompt_.size() + 16) * slots);
  EXPECT_EQ(o.lens.size(), prompt_.size() + 16);
  for (const auto& [position, rated] : o.rated)
    EXPECT_EQ(rated, position > 0) << "position " << position;
}

TEST_F(Engine, WithheldTokensComeWhenTheLengthEndsTheTurn) {
  sequence_request r = turn(prompt_, 5);
  r.stop = {answer_text(3, 5) + "never"};
  const auto o = run_one(model_, r);
  EXPECT_EQ(o.finished, finish_reason::length);
  EXPECT_EQ(o.tokens, answer_upto(5));
  EXPECT_EQ(o.rows.size(), (prompt_.size() + 5) * slots);
}

TEST_F(Engine, StopStringsAreNotSoughtInThePrompt) {
  const auto o = stopped_by({text_of(prompt_.back()) + text_of(answer_[0])});
  EXPECT_EQ(o.finished, finish_reason::length);
}

TEST_F(Engine, TurnAfterAStopContinuesFromTheCutTokens) {
  const auto e = engine::create(model_, {});
  sequence_request r = turn(prompt_, 16);
  r.stop = {answer_text(5, 7)};
  const auto first = run_one(*e, r);
  std::vector<token_id> tokens = prompt_;
  tokens.insert(tokens.end(), first.tokens.begin(), first.tokens.end());
  sequence_request next = turn(tokens, 11);
  next.capture = false;
  const auto o = run_one(*e, next);
  EXPECT_EQ(o.prompt_reused, tokens.size() - 1);
  EXPECT_EQ(o.tokens, std::vector(answer_.begin() + 5, answer_.end()));
}

TEST_F(Engine, EndTokenEndsTheTurnAndIsKept) {
  const scratch_model directory;
  directory.write(
      "generation_config.json",
      "{\"eos_token_id\": [511, " + std::to_string(answer_[4]) + "]}");
  const auto o = run_one(load(directory.path()), turn(prompt_, 16));
  const auto at = std::find(answer_.begin(), answer_.end(), answer_[4]);
  EXPECT_EQ(o.finished, finish_reason::end_of_text);
  EXPECT_EQ(o.tokens, answer_upto(at - answer_.begin() + 1));
  EXPECT_TRUE(o.has_row(prompt_.size() + o.tokens.size() - 1));
}

TEST_F(Engine, ContextThatIsUsedUpEndsTheTurn) {
  std::vector<token_id> tokens;
  while (tokens.size() < 120)
    tokens.insert(tokens.end(), prompt_.begin(), prompt_.end());
  tokens.resize(120);
  const auto o = run_one(model_, turn(tokens, 100));
  EXPECT_EQ(o.finished, finish_reason::context_full);
  EXPECT_EQ(o.tokens.size(), 8u);
  EXPECT_TRUE(o.has_row(127));
}

TEST_F(Engine, PromptThatFillsTheContextGetsNoAnswer) {
  const auto o = run_one(model_, turn(std::vector<token_id>(128, 5), 10));
  EXPECT_EQ(o.finished, finish_reason::context_full);
  EXPECT_TRUE(o.tokens.empty());
  EXPECT_EQ(o.rows.size(), 128 * slots);
}

TEST_F(Engine, CancelKeepsTheTokensAndForwardsTheLast) {
  const auto e = engine::create(model_, {});
  const auto id = e->add(turn(prompt_, 16)).value();
  outcomes all;
  for (int i = 0; i < 3; ++i)
    for (const auto& p : e->step())
      all[id].take(p);
  e->cancel(id);
  e->cancel(id + 77);  // unknown: ignored
  run(*e, all);
  EXPECT_EQ(all[id].finished, finish_reason::cancelled);
  EXPECT_EQ(all[id].tokens, answer_upto(3));
  EXPECT_EQ(all[id].rows.size(), (prompt_.size() + 3) * slots);
  EXPECT_EQ(e->stats().sequences, 0u);
}

TEST_F(Engine, CancelledPrefillEndsAtOnceAndKeepsItsRows) {
  engine_options options;
  options.pace.rows_max = 10;
  const auto e = engine::create(model_, options);
  const auto id = e->add(turn(prompt_, 16)).value();
  outcomes all;
  for (const auto& p : e->step())
    all[id].take(p);
  e->cancel(id);
  run(*e, all);
  EXPECT_EQ(all[id].finished, finish_reason::cancelled);
  EXPECT_EQ(all[id].rows.size(), 10 * slots);
  EXPECT_TRUE(all[id].tokens.empty());
}

TEST_F(Engine, PausedSequenceSitsOut) {
  const auto e = engine::create(model_, {});
  const auto slow = e->add(turn(prompt_, 4)).value();
  sequence_request other = turn({9, 8, 7}, 4);
  other.conversation = 2;
  const auto quick = e->add(other).value();
  e->pause(slow, true);
  outcomes all;
  run(*e, all);
  EXPECT_TRUE(e->idle());
  EXPECT_EQ(all[quick].finished, finish_reason::length);
  EXPECT_FALSE(all.contains(slow));
  e->pause(slow, false);
  EXPECT_FALSE(e->idle());
  run(*e, all);
  EXPECT_EQ(all[slow].tokens, answer_upto(4));
}

TEST_F(Engine, StoppedCaptureAnnouncesNothingMore) {
  const auto e = engine::create(model_, {});
  const auto id = e->add(turn(prompt_, 6)).value();
  outcomes all;
  for (const auto& p : e->step())
    all[id].take(p);
  e->stop_capture(id);
  run(*e, all);
  EXPECT_EQ(all[id].tokens, answer_upto(6));
  EXPECT_EQ(all[id].rows.size(), prompt_.size() * slots);
}

TEST_F(Engine, SeedGivesTheSameTextWhateverRunsBeside) {
  sequence_request r = turn(prompt_, 12);
  r.sampling = {0.9f, 40, 0.95f, 1234};
  const auto alone = run_one(model_, r);
  EXPECT_EQ(run_one(model_, r).tokens, alone.tokens);
  const auto e = engine::create(model_, {});
  sequence_request beside = turn({3, 4, 5}, 12);
  beside.conversation = 2;
  beside.sampling = {1.0f, 0, 1, 99};
  ASSERT_TRUE(e->add(beside));
  const auto id = e->add(r).value();
  outcomes all;
  run(*e, all);
  EXPECT_EQ(all[id].tokens, alone.tokens);
  r.sampling.seed = 4321;
  EXPECT_NE(run_one(model_, r).tokens, alone.tokens);
}

TEST_F(Engine, RefusesRequestsThatCannotRun) {
  engine_options options;
  options.max_sequences = 1;
  const auto e = engine::create(model_, options);
  const auto refusal = [&](sequence_request r) {
    const auto id = e->add(std::move(r));
    return id ? error_code{} : id.error().code;
  };
  EXPECT_EQ(refusal(turn({}, 1)), error_code::invalid_argument);
  EXPECT_EQ(refusal(turn({512}, 1)), error_code::invalid_argument);
  EXPECT_EQ(refusal(turn(std::vector<token_id>(129, 5), 1)),
            error_code::context_full);
  auto r = turn({5}, 1);
  r.capture_from = 3;
  EXPECT_EQ(refusal(r), error_code::invalid_argument);
  r.capture_from = 16;
  EXPECT_EQ(refusal(r), error_code::invalid_argument);
  r = turn({5}, 1);
  r.sampling.top_p = 0;
  EXPECT_EQ(refusal(r), error_code::invalid_argument);
  r = turn({5}, 1);
  r.stop = {""};
  EXPECT_EQ(refusal(r), error_code::invalid_argument);
  EXPECT_EQ(refusal(turn({5}, 1)), error_code{});
  EXPECT_EQ(refusal(turn({5}, 1)), error_code::overloaded);
}

TEST_F(Engine, WhoIsRefusedIsToldWhenToComeBack) {
  engine_options options;
  options.max_sequences = 2;
  const auto e = engine::create(model_, options);
  ASSERT_TRUE(e->add(turn(prompt_, 60)));
  e->step();
  ASSERT_TRUE(e->add(turn(prompt_, 60)));
  const auto refused = e->add(turn(prompt_, 60));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::overloaded);
  EXPECT_GE(refused.error().retry_after_ms, 50u);
  EXPECT_LE(refused.error().retry_after_ms, 30'000u);
}

TEST_F(Engine, OneOwnerCannotTakeAllPlacesNorCanBulk) {
  engine_options options;
  options.max_sequences = 4;
  const auto e = engine::create(model_, options);
  const auto begin = [&](const char* owner, bool bulk) {
    auto r = turn(prompt_, bulk ? 0 : 20);
    r.owner = owner;
    r.bulk = bulk;
    return e->add(r).has_value();
  };
  EXPECT_TRUE(begin("alice", true));
  EXPECT_FALSE(begin("bob", true)) << "one quarter is for bulk";
  EXPECT_TRUE(begin("alice", false));
  EXPECT_TRUE(begin("alice", false));
  EXPECT_FALSE(begin("alice", false)) << "three quarters are for one owner";
  EXPECT_TRUE(begin("bob", false));
  EXPECT_FALSE(begin("carol", false)) << "there are four";
}

TEST_F(Engine, CachesOfAllThatRunFitIntoTheirMemory) {
  engine_options options;
  const std::size_t page = 2 * 2 * 2 * 64 * 16 * sizeof(float);
  options.kv_running_bytes_max = 3 * page;
  const auto e = engine::create(model_, options);
  const std::vector<token_id> begin(40, 5);
  ASSERT_TRUE(e->add(turn(begin, 60))) << "two pages in the end";
  EXPECT_TRUE(e->add(turn(begin, 24))) << "one page";
  const auto refused = e->add(turn(begin, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::overloaded);
  outcomes all;
  run(*e, all);
  EXPECT_TRUE(e->add(turn(begin, 1'000))) << "whoever is alone may run";
}

TEST_F(Engine, ALongPromptLeavesTheOthersTheirToken) {
  engine_options options;
  options.pace.rows_max = 16;
  const auto e = engine::create(model_, options);
  const auto quick = e->add(turn({9, 8, 7}, 20)).value();
  e->step();
  sequence_request longer = turn(std::vector<token_id>(100, 5), 1);
  longer.conversation = 2;
  const auto slow = e->add(longer).value();
  for (int step = 0; step < 6; ++step) {
    const auto all = e->step();
    ASSERT_EQ(all.size(), 2u);
    for (const auto& p : all) {
      if (p.sequence == quick) {
        EXPECT_EQ(p.tokens.size(), 1u) << step;
      }
      if (p.sequence == slow) {
        EXPECT_EQ(p.prompt_done, 16u * (step + 1));
      }
    }
  }
}

TEST_F(Engine, AShortPromptDoesNotWaitForALongOneOfAnother) {
  engine_options options;
  options.pace.rows_max = 32;
  const auto e = engine::create(model_, options);
  sequence_request longer = turn(std::vector<token_id>(120, 5), 1);
  longer.owner = "alice";
  ASSERT_TRUE(e->add(longer));
  sequence_request shorter = turn({1, 2, 3, 4, 5, 6, 7}, 1);
  shorter.owner = "bob";
  const auto id = e->add(shorter).value();
  for (const auto& p : e->step())
    if (p.sequence == id) {
      EXPECT_EQ(p.tokens.size(), 1u);
    }
}

TEST_F(Engine, ACancelTakesEffectWithTheNextStep) {
  const auto e = engine::create(model_, {});
  const auto id = e->add(turn(prompt_, 60)).value();
  e->step();
  e->step();
  e->cancel(id);
  const auto all = e->step();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].finished, finish_reason::cancelled);
  EXPECT_EQ(e->stats().sequences, 0u);
}

TEST_F(Engine, CountsItsWork) {
  const auto e = engine::create(model_, {});
  EXPECT_TRUE(e->idle());
  EXPECT_TRUE(e->step().empty());
  run_one(*e, turn(prompt_, 4));
  const auto s = e->stats();
  EXPECT_EQ(s.tokens_prefilled, prompt_.size());
  EXPECT_EQ(s.tokens_decoded, 4u);
  EXPECT_EQ(s.steps, 5u);  // the prompt, then each token of the answer
  EXPECT_EQ(s.kv_bytes_running, 0u);
  EXPECT_GT(s.kv_bytes_idle, 0u);
}

TEST_F(Engine, SaysWhereTheTimeOfItsStepsWent) {
  const auto e = engine::create(model_, {});
  sequence_request r = turn(prompt_, 4);
  r.lens = lens_mode::eager;
  const auto begin = std::chrono::steady_clock::now();
  run_one(*e, r);
  const std::chrono::duration<double> wall =
      std::chrono::steady_clock::now() - begin;
  const auto seconds = e->stats().seconds;
  for (std::size_t part = 0; part < seconds.size(); ++part)
    EXPECT_GT(seconds[part], 0) << step_part_names[part];
  EXPECT_LE(std::accumulate(seconds.begin(), seconds.end(), 0.0), wall.count());
}

TEST_F(Engine, LogitsThatAreNoNumbersFailTheirSequenceAndNotTheEngine) {
  const scratch_model directory;
  std::string bytes = directory.read("model.safetensors");
  // The last tensor is model.norm.weight.
  const float bad = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data() + bytes.size() - sizeof bad, &bad, sizeof bad);
  directory.write("model.safetensors", bytes);
  const auto e = engine::create(load(directory.path()), {});
  for (int again = 0; again < 2; ++again) {
    const auto id = e->add(turn({5, 6}, 1)).value();
    outcomes all;
    run(*e, all);
    ASSERT_TRUE(all[id].failed);
    EXPECT_EQ(all[id].failed->code, error_code::internal);
    EXPECT_FALSE(all[id].finished);
    EXPECT_EQ(e->stats().sequences, 0u);
  }
}

}  // namespace
}  // namespace lamina

// Activations that are missing when a turn goes on: they are captured again, or
// left for whoever reads them (`recompute_on_read`).
#include <algorithm>

#include "actors/messages/model.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

class recompute_test : public actor_test {
 protected:
  void begin(bool recompute_on_read) {
    options_.catalog.recompute_on_read = recompute_on_read;
    start();
    auto plain = turn("hello, this is a text of some length", 40);
    plain->capture = false;
    complete_turn(plain);
  }

  std::vector<presence> activations() {
    std::vector<presence> all;
    for (const auto& chunk : newest_chunks())
      all.push_back(chunk.resid_post);
    return all;
  }

  std::uint64_t prefilled() {
    return ask<model_status>(view()->models.at("tiny").actor,
                             get_model_status{})
        .engine.tokens_prefilled;
  }

  static std::size_t count(const std::vector<presence>& of, presence p) {
    return static_cast<std::size_t>(std::count(of.begin(), of.end(), p));
  }
};

using RecomputeTest = recompute_test;

TEST_F(RecomputeTest, ATurnCapturesWhatIsMissingBeforeItThoughTheCacheHasIt) {
  begin(false);
  const auto w = complete_turn(turn(" and more", 5), newest_);
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->reused_tokens, 0u);
  const auto states = activations();
  EXPECT_EQ(count(states, presence::present), states.size());
}

TEST_F(RecomputeTest, WithThePolicyACacheHitIsTakenAndTheRestIsForReaders) {
  begin(true);
  const auto before = show(newest_).value()->record.positions;
  const auto computed = prefilled();
  const auto w = complete_turn(turn(" and more", 5), newest_);
  ASSERT_TRUE(w.log->done && w.log->done->durable);
  const auto tail = first_position(chunk_of(before));
  EXPECT_EQ(w.log->done->reused_tokens, tail - 1);
  EXPECT_EQ(prefilled() - computed,
            before + w.log->done->prompt_tokens - (tail - 1));
  const auto states = activations();
  for (std::uint32_t i = 0; i < states.size(); ++i)
    EXPECT_EQ(states[i],
              i < chunk_of(before) ? presence::never_asked : presence::present)
        << i;
  stop();
  start();
  EXPECT_EQ(activations(), states) << "the same on disk";
}

TEST_F(RecomputeTest, WithThePolicyWhatIsComputedAnywayIsStillCaptured) {
  begin(true);
  stop();
  start();  // no cache is left
  const auto w = complete_turn(turn(" and more", 5), newest_);
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->reused_tokens, 0u);
  const auto states = activations();
  EXPECT_EQ(count(states, presence::present), states.size());
}

}  // namespace
}  // namespace lamina

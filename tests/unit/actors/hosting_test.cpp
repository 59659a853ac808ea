// Models that are loaded and unloaded while the system runs.
#include <gmock/gmock.h>

#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

using ::testing::HasSubstr;

class hosting_test : public actor_test {
 protected:
  const std::filesystem::path goldens_ = LAMINA_SOURCE_DIR "/tests/goldens";

  hosting_test() { options_.hosting.roots = {goldens_}; }

  model_hosted load(const std::string& name, const std::string& directory) {
    return ask<model_hosted>(
        top_, load_model{name, goldens_ / directory, {}, {}, {}, {}});
  }
  void expect_refused(const model_hosted& answer, error_code code,
                      const std::string& part) {
    ASSERT_FALSE(answer) << part;
    EXPECT_EQ(answer.error().code, code) << answer.error().context;
    EXPECT_THAT(answer.error().context, HasSubstr(part));
  }
  acknowledgement unload(const std::string& name) {
    return ask<acknowledgement>(top_, unload_model{name});
  }
};

using HostingTest = hosting_test;

TEST_F(HostingTest, ALoadedModelIsUpWhenTheAnswerComes) {
  start();
  const auto hosted = load("second", "gpt2");
  ASSERT_TRUE(hosted) << to_string(hosted.error());
  const auto& second = hosted.value()->models.at("second");
  EXPECT_EQ(second.health, "up");
  EXPECT_TRUE(second.actor);
  EXPECT_EQ(second.model->description().architecture, "gpt2");
}

TEST_F(HostingTest, WeightsAreQuantisedWhereAsked) {
  start();
  const auto hosted = ask<model_hosted>(
      top_,
      load_model{"eight", goldens_ / "gpt2", {}, {}, weight_format::int8, {}});
  ASSERT_TRUE(hosted) << to_string(hosted.error());
  const auto& eight = hosted.value()->models.at("eight").model;
  EXPECT_EQ(eight->description().weights, weight_format::int8);
  EXPECT_GT(eight->description().loss.weights, 0);
}

TEST_F(HostingTest, ANameIsTakenUntilItIsUnloaded) {
  start();
  expect_refused(load("tiny", "gpt2"), error_code::already_exists, "'tiny'");
  ASSERT_TRUE(unload("tiny"));
  EXPECT_FALSE(view()->models.contains("tiny"));
  const auto unknown = unload("tiny");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, error_code::not_found);
  EXPECT_TRUE(load("tiny", "gpt2"));
}

TEST_F(HostingTest, ARefusedModelIsNotListed) {
  start();
  expect_refused(load("none", "nowhere"), error_code::not_found, "nowhere");
  expect_refused(load("no/ne", "gpt2"), error_code::invalid_argument,
                 "letters");
  EXPECT_EQ(view()->models.size(), 1u);
}

TEST_F(HostingTest, OnlyTheAllowListIsRead) {
  options_.hosting.roots = {goldens_ / "gpt2"};
  start();
  expect_refused(load("second", "llama3"), error_code::forbidden, "llama3");
  EXPECT_TRUE(load("second", "gpt2"));
}

TEST_F(HostingTest, WithoutAnAllowListNothingIsLoaded) {
  options_.hosting.roots.clear();
  start();
  expect_refused(load("second", "gpt2"), error_code::forbidden,
                 "no directories are configured");
}

TEST_F(HostingTest, CopiesOfAllModelsShareTheMemory) {
  // gpt2 copies 384 KB.
  options_.hosting.memory_bytes = 600u << 10;
  start();
  ASSERT_TRUE(load("first", "gpt2"));
  expect_refused(load("second", "gpt2"), error_code::out_of_memory,
                 "0.4 MB transposed");
  ASSERT_TRUE(unload("first"));
  EXPECT_TRUE(load("second", "gpt2"));
}

TEST_F(HostingTest, ARunningTurnEndsAsUnloadedAndIsDurable) {
  start();
  auto opened = open(turn("hello", 60));
  ASSERT_TRUE(opened);
  auto w = watch(opened.value().generation, {}, true);
  for (int i = 0; i < 100'000 && w.log->tokens.size() < 20; ++i)
    if (!scheduler().try_run_once()) advance(std::chrono::milliseconds(1));
  ASSERT_TRUE(unload("tiny"));
  finish();
  ASSERT_TRUE(w.log->done);
  EXPECT_EQ(w.log->done->finish, "unloaded");
  EXPECT_TRUE(w.log->done->durable);
  EXPECT_LT(w.log->done->new_tokens, 60u);
  const auto shown = show(opened.value().conversation);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown.value()->record.state, turn_state::cancelled);
  EXPECT_EQ(shown.value()->record.positions, w.log->tokens.size());
}

TEST_F(HostingTest, ATurnThatComesTooLateIsToldSo) {
  start();
  complete_turn(turn("hello", 20));
  ASSERT_TRUE(unload("tiny"));
  const auto fresh = open(turn("hello"));
  ASSERT_FALSE(fresh);
  EXPECT_EQ(fresh.error().code, error_code::not_found);
  const auto next = open(turn("more"), newest_);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, error_code::unavailable);
  EXPECT_TRUE(show(newest_));
}

// A place that an unloaded model left is another's when the restart is due.
TEST_F(HostingTest, ARestartDoesNotStartTheModelThatCameAfter) {
  start();
  caf::anon_send_exit(view()->models.at("tiny").actor, caf::exit_reason::kill);
  run();
  ASSERT_TRUE(unload("tiny"));
  const auto hosted = load("other", "gpt2");
  ASSERT_TRUE(hosted);
  const auto actor = hosted.value()->models.at("other").actor;
  advance(std::chrono::seconds(31));
  run();
  EXPECT_EQ(view()->models.at("other").actor, actor);
  EXPECT_FALSE(view()->models.contains("tiny"));
}

TEST_F(HostingTest, APlanLoadsNothing) {
  start();
  plan_directory wanted{{"", goldens_ / "gpt2"}, {goldens_}};
  const auto planned = ask<directory_planned>(spawn_planner(*sys_), wanted);
  ASSERT_TRUE(planned) << to_string(planned.error());
  EXPECT_EQ(planned.value().model.parameters, 141'056u);
  EXPECT_EQ(view()->models.size(), 1u);
  wanted.roots.clear();
  const auto outside = ask<directory_planned>(spawn_planner(*sys_), wanted);
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().code, error_code::forbidden);
}

}  // namespace
}  // namespace lamina

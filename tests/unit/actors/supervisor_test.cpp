#include "actors/supervisor.hpp"

#include <nlohmann/json.hpp>

#include "actors/messages/shard.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

class supervisor_test : public actor_test {
 protected:
  nlohmann::json status() {
    return nlohmann::json::parse(ask<std::string>(top_, get_status{}));
  }
};

using SupervisorTest = supervisor_test;

TEST_F(SupervisorTest, StatusNamesEveryActorAndItsHealth) {
  start();
  auto s = status();
  for (const char* part : {"disk", "catalog", "prefetch", "shard 0", "codec 0",
                           "lens clicks", "lens backlog", "model tiny"})
    EXPECT_EQ(s["actors"][part]["health"], "up") << part;
  EXPECT_EQ(s["models"]["tiny"]["health"], "up");
  EXPECT_EQ(s["models"]["tiny"]["engine"]["sequences"], 0);
}

TEST_F(SupervisorTest, StatusSaysWhereAModelsTimeWent) {
  start();
  complete_turn(turn("hello", 20));
  const auto seconds = status()["models"]["tiny"]["engine"]["seconds"];
  for (const char* part :
       {"matmul", "attention", "capture", "sampling", "other", "waiting"})
    EXPECT_GT(seconds.at(part).get<double>(), 0) << part;
}

TEST_F(SupervisorTest, ADeadActorComesBackAndTheViewFollows) {
  start();
  auto before = view();
  caf::anon_send_exit(before->shards[0], caf::exit_reason::kill);
  run();
  EXPECT_NE(status()["actors"]["shard 0"]["health"], "up");
  advance(std::chrono::milliseconds(100));
  run();
  EXPECT_NE(view()->shards[0], before->shards[0]);
  EXPECT_EQ(status()["actors"]["shard 0"]["deaths"], 1);
  auto w = complete_turn(turn("hello", 20));
  EXPECT_TRUE(w.log->done && w.log->done->durable);
}

TEST_F(SupervisorTest, DelaysGrowAndTheHopelessStayDown) {
  start();
  for (std::uint32_t i = 0; i <= restart_policy{}.deaths_max; ++i) {
    caf::anon_send_exit(view()->prefetch, caf::exit_reason::kill);
    run();
    advance(std::chrono::seconds(31));
    run();
  }
  auto health = status()["actors"]["prefetch"]["health"].get<std::string>();
  EXPECT_EQ(health.rfind("down", 0), 0u) << health;
}

TEST_F(SupervisorTest, AModelThatCannotLoadIsListedWithItsReason) {
  options_.models[0].model.directory = "/nonexistent";
  start();
  EXPECT_NE(view()->models.at("tiny").health.find("not_found"),
            std::string::npos);
  auto opened = open(turn("x"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, error_code::unavailable);
}

TEST_F(SupervisorTest, ARestartedCatalogKnowsTheConversations) {
  start();
  complete_turn(turn("hello", 20));
  caf::anon_send_exit(view()->catalog, caf::exit_reason::kill);
  run();
  advance(std::chrono::milliseconds(100));
  run();
  EXPECT_EQ(show(newest_).value()->record.state, turn_state::complete);
}

}  // namespace
}  // namespace lamina

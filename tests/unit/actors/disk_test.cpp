// What the system does when the disk is full, over its budget, or back again.
#include "actors/disk.hpp"

#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "protocol/id_text.hpp"
#include "tests/unit/actors/fixture.hpp"

namespace lamina {
namespace {

class disk_test : public actor_test {
 protected:
  nlohmann::json disk() {
    return nlohmann::json::parse(ask<std::string>(top_, get_status{}))["disk"];
  }

  presence activations(conversation_id id) {
    return show(id).value()->chunks[0].resid_post;
  }

  void pin(conversation_id id) {
    EXPECT_TRUE(
        ask<record_result>(view()->catalog, pin_conversation{uid, id, true}));
  }

  /// Turns with different prompts, so that they share nothing.
  std::vector<conversation_id> fill(int turns) {
    std::vector<conversation_id> ids;
    for (int i = 0; i < turns; ++i) {
      complete_turn(turn("number " + std::to_string(i) + " of many", 40));
      ids.push_back(newest_);
      advance(std::chrono::milliseconds(50));
    }
    return ids;
  }

  void let_retention_run() {
    advance(options_.disk.retention_delay);
    finish();
  }
};

using DiskTest = disk_test;

/// Files of this process cannot grow beyond so many bytes while it lives: what
/// a full disk looks like to LMDB.
class file_size_limit {
 public:
  explicit file_size_limit(rlim_t bytes) {
    handler_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~file_size_limit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  file_size_limit(const file_size_limit&) = delete;
  file_size_limit& operator=(const file_size_limit&) = delete;

 private:
  rlimit before_{};
  sighandler_t handler_ = SIG_DFL;
};

TEST_F(DiskTest, AFullDiskMeansMemoryOnlyUntilItHasRoomAgain) {
  start();
  conversation_id unsaved = 0;
  {
    const file_size_limit limit(500'000);
    watcher last;
    for (int i = 0; i < 40 && !disk()["memory_only"]; ++i)
      last =
          complete_turn(turn("number " + std::to_string(i) + " of many", 40));
    ASSERT_TRUE(disk()["memory_only"]);
    ASSERT_TRUE(last.log->done) << "the turn itself goes on";
    EXPECT_FALSE(last.log->done->durable);
    EXPECT_EQ(last.log->done->new_tokens, 40u);
    complete_turn(turn("another one while it lasts", 40));
    unsaved = newest_;
    EXPECT_EQ(activations(unsaved), presence::dropped);
    EXPECT_GT(disk()["owed_bytes"], 0);
  }
  advance(options_.disk.retry_longest);
  finish();
  EXPECT_FALSE(disk()["memory_only"]);
  EXPECT_EQ(disk()["owed_bytes"], 0);
  EXPECT_EQ(activations(unsaved), presence::present) << "it caught up";
  const auto positions = show(unsaved).value()->record.positions;
  EXPECT_EQ(show(unsaved).value()->durable, positions);
  stop();
  start();
  EXPECT_EQ(show(unsaved).value()->durable, positions);
  EXPECT_EQ(activations(unsaved), presence::present);
}

TEST_F(DiskTest, OverTheBudgetTheOldestActivationsGoAndPinnedOnesStay) {
  options_.disk.retention.disk_bytes_max = 600'000;
  start();
  complete_turn(turn("keep this", 40));
  const auto pinned = newest_;
  pin(pinned);
  const auto ids = fill(12);
  let_retention_run();
  EXPECT_GT(disk()["values_evicted"], 0);
  EXPECT_FALSE(disk()["cache_full"]);
  EXPECT_EQ(activations(pinned), presence::present);
  EXPECT_EQ(activations(ids.front()), presence::evicted);
  EXPECT_EQ(activations(ids.back()), presence::present);
  stop();
  start();
  EXPECT_EQ(activations(ids.front()), presence::evicted);
  EXPECT_EQ(activations(pinned), presence::present);
}

TEST_F(DiskTest, WhenOnlyPinnedOnesAreLeftTurnsGoOnWithoutActivations) {
  start();
  for (auto id : fill(8))
    pin(id);
  stop();
  options_.disk.retention.disk_bytes_max = 200'000;
  start();
  let_retention_run();
  ASSERT_TRUE(disk()["cache_full"]);
  auto w = complete_turn(turn("one more", 40));
  ASSERT_TRUE(w.log->done);
  EXPECT_TRUE(w.log->done->durable) << "tokens and lens records are";
  EXPECT_EQ(w.log->done->dropped_positions, w.log->done->positions);
  EXPECT_EQ(activations(newest_), presence::dropped);
  EXPECT_EQ(show(newest_).value()->chunks[0].lens, presence::present);
  stop();
  start();
  EXPECT_EQ(activations(newest_), presence::dropped);
}

}  // namespace
}  // namespace lamina

// The whole actor system on CAF's deterministic scheduler: a real store in a
// directory of its own, a real engine on the tiny golden llama, no threads.
// `run()` executes until nothing is left to do.
#pragma once

#include <gtest/gtest.h>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/messages/catalog.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/reader.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/messages/turn.hpp"
#include "actors/spawn.hpp"
#include "actors/view.hpp"

namespace lamina {

/// What a viewer was told.
struct seen {
  std::vector<placed_token> tokens;
  std::string text;
  std::uint32_t batches = 0;
  std::optional<wire::DoneT> done;
  std::optional<error> failed;
  bool takes = true;  // false: gives credit only when told to
  std::optional<caf::typed_response_promise<tokens_taken>> owed;
};

struct give_credit {};

using viewer_self = viewer_actor::extend<reacts_to<give_credit>>;

inline viewer_self::behavior_type viewer(viewer_self::pointer self,
                                         std::shared_ptr<seen> log) {
  return {
      [self, log](const turn_tokens& m) {
        auto promise = self->make_response_promise<
            caf::typed_response_promise<tokens_taken>>();
        log->tokens.insert(log->tokens.end(), m.tokens.begin(), m.tokens.end());
        log->text += m.text;
        ++log->batches;
        if (log->takes)
          promise.deliver(tokens_taken{});
        else
          log->owed = promise;
        return promise;
      },
      [log](const turn_done& m) { log->done = m.done; },
      [log](const turn_failed& m) { log->failed = m.reason; },
      [log](const give_credit&) {
        std::exchange(log->owed, std::nullopt)->deliver(tokens_taken{});
      },
  };
}

class actor_test : public testing::Test {
 protected:
  static constexpr std::uint32_t uid = 1000;
  // A terabyte of addresses is not always free beside tsan's own.
  static constexpr std::uint64_t map_bytes = 1u << 30;

  actor_test() {
    std::string pattern = testing::TempDir() + "lamina-actors-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    set_spawn_policy({.detach = false});
    options_.disk.sweep_delay = std::chrono::milliseconds(10);
    options_.models.resize(1);
    // A turn waits for the commit of each chunk, so that tests can stop time
    // in its middle.
    options_.models[0].in_flight_bytes_max = 1;
    options_.models[0].model = {
        "tiny", LAMINA_SOURCE_DIR "/tests/goldens/llama", std::nullopt};
  }

  ~actor_test() override {
    stop();
    std::filesystem::remove_all(directory_);
  }

  virtual std::shared_ptr<store> open_store() {
    return store::open({.directory = directory_, .map_bytes = map_bytes})
        .value();
  }

  void start() {
    options_.environment = open_store();
    config_ = std::make_unique<caf::actor_system_config>();
    config_->set("scheduler.policy", caf::atom("testing"));
    config_->set("logger.verbosity", caf::atom("quiet"));
    sys_ = std::make_unique<caf::actor_system>(*config_);
    top_ = spawn_supervisor(*sys_, options_);
    options_.environment.reset();
    run();
  }

  /// As SIGTERM does, but without waiting for running turns.
  void stop() {
    if (!sys_) return;
    for (const auto& v : std::exchange(viewers_, {}))
      caf::anon_send_exit(v, caf::exit_reason::user_shutdown);
    EXPECT_TRUE(ask<acknowledgement>(top_, drain_system{0}));
    top_ = nullptr;
    run();
    sys_.reset();
    config_.reset();
  }

  void run() { scheduler().run(); }

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(sys_->scheduler());
  }

  /// Runs just as much as the answer needs, timers included.
  template <class Answer, class Handle, class Question>
  Answer ask(const Handle& whom, Question question) {
    auto answer = std::make_shared<std::optional<Answer>>();
    bool failed = false;
    auto asker = [&, answer](caf::event_based_actor* self, Question asked) {
      self->request(whom, caf::infinite, std::move(asked))
          .then([answer](const Answer& a) { *answer = a; },
                [&failed](const caf::error& e) {
                  failed = true;
                  ADD_FAILURE() << "no answer: " << caf::to_string(e);
                });
    };
    sys_->spawn(asker, std::move(question));
    for (int i = 0; i < 100'000 && !*answer && !failed; ++i)
      if (!scheduler().try_run_once()) advance(std::chrono::milliseconds(1));
    return answer->value();
  }

  view_ptr view() { return ask<view_ptr>(top_, get_view{}); }

  static std::shared_ptr<turn_options> turn(std::string prompt,
                                            std::uint32_t tokens = 20) {
    auto options = std::make_shared<turn_options>();
    options->prompt = std::move(prompt);
    options->max_new_tokens = tokens;
    return options;
  }

  result<turn_opened> open(std::shared_ptr<turn_options> options,
                           conversation_id id = 0, std::uint32_t who = uid) {
    return ask<result<turn_opened>>(
        view()->catalog,
        open_turn{who, id == 0 ? "tiny" : "", id, std::move(options)});
  }

  struct watcher {
    std::shared_ptr<seen> log = std::make_shared<seen>();
    viewer_self handle;
  };

  /// Follows a turn; what it was told is in `log` after the next run.
  watcher watch(const writer_actor& g, std::optional<position_t> from = {},
                bool wait_durable = false, bool takes = true) {
    watcher w;
    w.log->takes = takes;
    w.handle = sys_->spawn(viewer, w.log);
    viewers_.push_back(w.handle);
    admitted_ = ask<watch_result>(g, watch_turn{w.handle, from, wait_durable});
    return w;
  }

  /// A whole turn, durable.
  watcher complete_turn(std::shared_ptr<turn_options> options,
                        conversation_id id = 0) {
    auto opened = open(std::move(options), id);
    EXPECT_TRUE(opened) << (opened ? "" : to_string(opened.error()));
    newest_ = opened.value().conversation;
    auto w = watch(opened.value().generation, {}, true);
    finish();
    return w;
  }

  void advance(std::chrono::milliseconds time) {
    scheduler().advance_time(time);
  }

  /// Runs everything, with time enough for commits but for nothing to be
  /// given up.
  void finish() {
    for (int i = 0; i < 60; ++i) {
      run();
      advance(std::chrono::milliseconds(10));
    }
    run();
  }

  result<std::shared_ptr<const conversation_shown>> show(
      conversation_id id, std::uint32_t who = uid) {
    return ask<show_result>(view()->catalog, show_conversation{who, id});
  }
  /// By value: a range that is taken out of `show` would be gone.
  std::vector<chunk_record> newest_chunks() {
    return show(newest_).value()->chunks;
  }

  store_statistics statistics() {
    return ask<statistics_read>(view()->readers[0], read_statistics{}).value();
  }

  std::filesystem::path directory_;
  system_options options_;
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> sys_;
  supervisor_actor top_;
  std::vector<viewer_self> viewers_;
  watch_result admitted_ = turn_watched{};
  conversation_id newest_ = 0;
};

}  // namespace lamina

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <thread>
#include <utility>

#include "client/cli/bench.hpp"
#include "client/cli/bench_turns.hpp"
#include "client/cli/samples.hpp"

namespace lamina::cli {
namespace {

json spread(const std::vector<double>& samples) {
  return {{"count", samples.size()},
          {"p50", bench::percentile(samples, 0.5)},
          {"p99", bench::percentile(samples, 0.99)},
          {"longest", bench::percentile(samples, 1)}};
}

/// What sessions that write one answer after the other came to.
struct writing {
  double tokens_per_second = 0;
  double least_share = 0;
  std::vector<double> first_token_ms;
  std::vector<double> gap_ms;
  std::uint32_t refused = 0;
};

struct clicking {
  std::vector<double> daemon_ms;
  std::vector<double> client_ms;
};

/// What is clicked: a conversation that is kept, with its lens.
struct target {
  std::string conversation;
  std::uint32_t positions = 0;
};

wire::GenerateT session_turn(const bench_subject& subject,
                             const bench_sessions_options& options,
                             std::uint64_t number) {
  auto request = numbered_turn(subject.model.name, number, options.tokens);
  request.capture = options.lens != "none";
  request.lens = static_cast<std::uint8_t>(
      lens_mode_from_string(options.lens).value_or(lens_mode::on_demand));
  return request;
}

result<void> click_on(client& daemon, const target& clicked,
                      std::mt19937& random, clicking& into) {
  wire::GetLensT request;
  request.conversation = clicked.conversation;
  request.positions = {
      static_cast<std::uint32_t>(random() % clicked.positions)};
  const auto begin = bench_clock::now();
  BOOST_OUTCOME_TRY(lens, daemon.lens(request));
  into.client_ms.push_back(1e3 * seconds_between(begin, bench_clock::now()));
  into.daemon_ms.push_back(lens.took_us / 1e3);
  return success();
}

// Clicks as somebody does who looks at what comes, ten times a second.
result<void> keep_clicking(turn_runner& runner, const target& clicked,
                           std::uint32_t seed, const std::atomic<bool>& stopped,
                           clicking& into) {
  std::mt19937 random(seed);
  while (!stopped) {
    BOOST_OUTCOME_TRYV(click_on(runner.link(), clicked, random, into));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return success();
}

writing sum_up(const std::vector<std::vector<timed_turn>>& turns,
               bench_clock::time_point from, bench_clock::time_point until) {
  writing w;
  std::uint64_t total = 0;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const auto& of_session : turns) {
    std::uint64_t own = 0;
    for (const auto& turn : of_session) {
      own += tokens_between(turn.arrivals, from, until);
      const auto* before = &turn.asked;
      for (const auto& a : turn.arrivals) {
        auto& into = before == &turn.asked ? w.first_token_ms : w.gap_ms;
        if (a.at > from && a.at <= until)
          into.push_back(1e3 * seconds_between(*before, a.at));
        before = &a.at;
      }
    }
    total += own;
    least = std::min(least, own);
  }
  const auto sessions = static_cast<double>(turns.size());
  w.tokens_per_second =
      static_cast<double>(total) / seconds_between(from, until);
  if (total > 0)
    w.least_share =
        static_cast<double>(least) * sessions / static_cast<double>(total);
  return w;
}

/// `sessions` write and `clickers` click; measured for so long from when every
/// session has had its first token.
result<writing> write_together(const bench_subject& subject,
                               const bench_sessions_options& options,
                               std::uint32_t sessions, std::uint32_t clickers,
                               double seconds, const target& clicked,
                               std::uint64_t& number,
                               std::vector<clicking>& clicks) {
  BOOST_OUTCOME_TRY(runners, dial_many(subject, sessions + clickers));
  std::vector<std::vector<timed_turn>> turns(sessions);
  clicks.assign(clickers, {});
  std::atomic<std::uint64_t> next{number};
  std::atomic<bool> stopped{false};
  std::atomic<std::uint32_t> begun{0};
  std::atomic<std::uint32_t> ended{0};
  auto from = bench_clock::now();
  auto until = from;
  std::thread timer([&] {
    const auto slice = std::chrono::milliseconds(20);
    const auto goes_on = [&] { return !*subject.interrupted && ended == 0; };
    while (begun < sessions && goes_on())
      std::this_thread::sleep_for(slice);
    from = bench_clock::now();
    while (seconds_between(from, bench_clock::now()) < seconds && goes_on())
      std::this_thread::sleep_for(slice);
    until = bench_clock::now();
    stopped = true;
  });
  auto outcome =
      run_together(sessions + clickers, [&](std::uint32_t i) -> result<void> {
        // Whoever fails ends the measurement for all.
        const auto work = [&]() -> result<void> {
          if (i >= sessions)
            return keep_clicking(runners[i], clicked, i, stopped,
                                 clicks[i - sessions]);
          while (!stopped) {
            const auto request = session_turn(subject, options, next++);
            BOOST_OUTCOME_TRY(
                turn, runners[i].run(request, stopped,
                                     turns[i].empty() ? &begun : nullptr));
            turns[i].push_back(std::move(turn));
          }
          return success();
        };
        auto done = work();
        ++ended;
        return done;
      });
  timer.join();
  number = next;
  BOOST_OUTCOME_TRYV(clean_up(runners));
  BOOST_OUTCOME_TRYV(std::move(outcome));
  if (*subject.interrupted) return interrupted_error();
  auto w = sum_up(turns, from, until);
  for (const auto& runner : runners)
    w.refused += runner.refused();
  return w;
}

result<target> prepare_target(const bench_subject& subject,
                              turn_runner& runner) {
  auto request = numbered_turn(subject.model.name, 0, 128);
  request.lens = static_cast<std::uint8_t>(lens_mode::eager);
  request.wait_durable = true;
  BOOST_OUTCOME_TRY(turn, runner.run(request, *subject.interrupted));
  return target{turn.done.conversation, turn.done.positions};
}

}  // namespace

result<json> measure_sessions(const bench_subject& subject,
                              const bench_sessions_options& options) {
  BOOST_OUTCOME_TRY(owner, turn_runner::dial(subject));
  std::uint64_t number = 1;
  const auto measure = [&]() -> result<json> {
    BOOST_OUTCOME_TRY(clicked, prepare_target(subject, owner));
    std::vector<clicking> clicks;
    BOOST_OUTCOME_TRY(
        alone, write_together(subject, options, 1, 0,
                              std::max(3.0, options.seconds / 4.0), clicked,
                              number, clicks));
    BOOST_OUTCOME_TRY(all, write_together(subject, options, options.sessions,
                                          options.clickers, options.seconds,
                                          clicked, number, clicks));
    clicking together;
    for (const auto& c : clicks) {
      together.daemon_ms.insert(together.daemon_ms.end(), c.daemon_ms.begin(),
                                c.daemon_ms.end());
      together.client_ms.insert(together.client_ms.end(), c.client_ms.begin(),
                                c.client_ms.end());
    }
    json report = head_of(subject);
    report["sessions"] = options.sessions;
    report["clickers"] = options.clickers;
    report["lens"] = options.lens;
    report["seconds"] = options.seconds;
    report["tokens_per_second"] = all.tokens_per_second;
    report["alone_tokens_per_second"] = alone.tokens_per_second;
    report["ratio"] = alone.tokens_per_second > 0
                          ? all.tokens_per_second / alone.tokens_per_second
                          : 0;
    report["least_share"] = all.least_share;
    report["first_token_ms"] = spread(all.first_token_ms);
    report["gap_ms"] = spread(all.gap_ms);
    report["click_ms"] = spread(together.daemon_ms);
    report["click_client_ms"] = spread(together.client_ms);
    report["refused"] = all.refused;
    return report;
  };
  auto report = measure();
  BOOST_OUTCOME_TRYV(owner.clean_up());
  return report;
}

}  // namespace lamina::cli

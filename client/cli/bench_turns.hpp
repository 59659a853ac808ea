// Turns for benchmarks: when each token came, and the deletion of what was
// written. One object a thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "client/cli/bench.hpp"

namespace lamina::cli {

using bench_clock = std::chrono::steady_clock;

/// Tokens of the answer that came together.
struct arrival {
  bench_clock::time_point at;
  std::uint32_t tokens = 0;
};

struct timed_turn {
  wire::DoneT done;
  bench_clock::time_point asked;
  std::vector<arrival> arrivals;
};

/// A connection that runs turns, one after the other.
class turn_runner {
 public:
  static result<turn_runner> dial(const bench_subject& subject);

  /// Waits and tries again, as told, when the daemon is overloaded. Ends early
  /// when `stopped`; `first_token`, if given, is counted up with the first.
  result<timed_turn> run(const wire::GenerateT& request,
                         const std::atomic<bool>& stopped,
                         std::atomic<std::uint32_t>* first_token = nullptr);

  /// Deletes the conversations of all turns.
  result<void> clean_up();

  client& link() { return link_; }
  std::uint32_t refused() const { return refused_; }

 private:
  explicit turn_runner(client link) : link_(std::move(link)) {}

  client link_;
  std::vector<std::string> conversations_;
  std::uint32_t refused_ = 0;
};

/// A prompt of about 64 bytes that no other number has.
wire::GenerateT numbered_turn(const std::string& model, std::uint64_t number,
                              std::uint32_t tokens);

/// Runs body(i) for every i below `count`, each on a thread of its own, and
/// returns the first error.
result<void> run_together(
    std::uint32_t count,
    const std::function<result<void>(std::uint32_t)>& body);

double seconds_between(bench_clock::time_point from,
                       bench_clock::time_point until);

/// So many connections; the first that cannot be had is the error.
result<std::deque<turn_runner>> dial_many(const bench_subject& subject,
                                          std::uint32_t count);

/// Each deletes what it wrote.
result<void> clean_up(std::deque<turn_runner>& runners);

/// Later than `from`, until `until` included.
std::uint64_t tokens_between(const std::vector<arrival>& arrivals,
                             bench_clock::time_point from,
                             bench_clock::time_point until);

error interrupted_error();

/// {model, dtype}: what every report begins with.
json head_of(const bench_subject& subject);

}  // namespace lamina::cli

#include "client/cli/bench_turns.hpp"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

namespace lamina::cli {
namespace {

std::uint32_t answers_in(const wire::TokensT& tokens) {
  return static_cast<std::uint32_t>(std::count_if(
      tokens.tokens.begin(), tokens.tokens.end(), [](const auto& token) {
        return token->role == static_cast<std::uint8_t>(role::assistant);
      }));
}

}  // namespace

result<turn_runner> turn_runner::dial(const bench_subject& subject) {
  BOOST_OUTCOME_TRY(link, subject.dial());
  return turn_runner(std::move(link));
}

result<timed_turn> turn_runner::run(const wire::GenerateT& request,
                                    const std::atomic<bool>& stopped,
                                    std::atomic<std::uint32_t>* first_token) {
  timed_turn turn;
  turn.asked = bench_clock::now();
  generation_handlers handlers;
  handlers.on_started = [this](const wire::StartedT& started) {
    conversations_.push_back(started.conversation);
  };
  handlers.on_tokens = [&](const wire::TokensT& tokens) {
    const auto count = answers_in(tokens);
    if (count == 0) return;
    if (turn.arrivals.empty() && first_token != nullptr) ++*first_token;
    turn.arrivals.push_back({bench_clock::now(), count});
    if (stopped) link_.cancel_running();
  };
  for (;;) {
    auto done = link_.generate(request, handlers);
    if (done) {
      turn.done = std::move(done).value();
      return turn;
    }
    const auto& why = done.error();
    if (why.code == error_code::cancelled && stopped) return turn;
    if (why.code != error_code::overloaded || stopped) return why;
    ++refused_;
    std::this_thread::sleep_for(std::chrono::milliseconds(why.retry_after_ms));
  }
}

result<void> turn_runner::clean_up() {
  for (const auto& id : std::exchange(conversations_, {})) {
    BOOST_OUTCOME_TRYV(link_.remove(id));
  }
  return success();
}

wire::GenerateT numbered_turn(const std::string& model, std::uint64_t number,
                              std::uint32_t tokens) {
  std::string prompt = std::to_string(number) + ". Once upon a time";
  while (prompt.size() < 64)
    prompt += " and so on";
  prompt.resize(64);
  wire::GenerateT request;
  request.model = model;
  request.prompt.assign(prompt.begin(), prompt.end());
  request.max_new_tokens = tokens;
  return request;
}

result<void> run_together(
    std::uint32_t count,
    const std::function<result<void>(std::uint32_t)>& body) {
  std::vector<std::optional<error>> failed(count);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      if (auto done = body(i); !done) failed[i] = done.error();
    });
  for (auto& thread : threads)
    thread.join();
  for (const auto& why : failed)
    if (why) return *why;
  return success();
}

double seconds_between(bench_clock::time_point from,
                       bench_clock::time_point until) {
  return std::chrono::duration<double>(until - from).count();
}

json head_of(const bench_subject& subject) {
  return {{"model", subject.model.name},
          {"dtype", to_string(static_cast<dtype>(subject.model.dtype))}};
}

error interrupted_error() {
  return {error_code::cancelled, "the measurement was interrupted"};
}

result<std::deque<turn_runner>> dial_many(const bench_subject& subject,
                                          std::uint32_t count) {
  std::deque<turn_runner> runners;
  for (std::uint32_t i = 0; i < count; ++i) {
    BOOST_OUTCOME_TRY(runner, turn_runner::dial(subject));
    runners.push_back(std::move(runner));
  }
  return runners;
}

result<void> clean_up(std::deque<turn_runner>& runners) {
  for (auto& runner : runners) {
    BOOST_OUTCOME_TRYV(runner.clean_up());
  }
  return success();
}

std::uint64_t tokens_between(const std::vector<arrival>& arrivals,
                             bench_clock::time_point from,
                             bench_clock::time_point until) {
  std::uint64_t tokens = 0;
  for (const auto& a : arrivals)
    if (a.at > from && a.at <= until) tokens += a.tokens;
  return tokens;
}

}  // namespace lamina::cli

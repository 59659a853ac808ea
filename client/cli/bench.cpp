#include "client/cli/bench.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "client/cli/bench_turns.hpp"
#include "client/cli/memory_read.hpp"
#include "client/cli/samples.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

constexpr std::size_t read_bytes_max = 512u << 20;

// While all of them decode: from the last first token to the first last one.
double rate_together(const std::vector<timed_turn>& turns) {
  auto from = turns.front().asked;
  auto until = bench_clock::time_point::max();
  for (const auto& turn : turns) {
    if (turn.arrivals.empty()) return 0;
    from = std::max(from, turn.arrivals.front().at);
    until = std::min(until, turn.arrivals.back().at);
  }
  if (until <= from) return 0;
  std::uint64_t tokens = 0;
  for (const auto& turn : turns)
    tokens += tokens_between(turn.arrivals, from, until);
  return static_cast<double>(tokens) / seconds_between(from, until);
}

}  // namespace

// ---- decode -----------------------------------------------------------------

namespace {

result<double> decode_rate(const bench_subject& subject,
                           std::deque<turn_runner>& runners,
                           std::uint32_t batch, std::uint32_t tokens,
                           std::uint64_t& number) {
  std::vector<timed_turn> turns(batch);
  std::vector<wire::GenerateT> requests;
  for (std::uint32_t i = 0; i < batch; ++i) {
    requests.push_back(numbered_turn(subject.model.name, number++, tokens));
    requests.back().capture = false;
  }
  BOOST_OUTCOME_TRYV(run_together(batch, [&](std::uint32_t i) -> result<void> {
    BOOST_OUTCOME_TRY(turn, runners[i].run(requests[i], *subject.interrupted));
    turns[i] = std::move(turn);
    return success();
  }));
  if (*subject.interrupted) return interrupted_error();
  return rate_together(turns);
}

}  // namespace

result<json> measure_decode(const bench_subject& subject,
                            const bench_decode_options& options) {
  const auto most =
      *std::max_element(options.batches.begin(), options.batches.end());
  BOOST_OUTCOME_TRY(runners, dial_many(subject, most));
  const auto weights = static_cast<double>(subject.model.weight_bytes);
  std::vector<std::vector<double>> rates(options.batches.size());
  std::vector<double> reads;
  std::uint64_t number = 0;
  result<void> failed = success();
  for (std::uint32_t round = 0; failed && round < options.rounds; ++round) {
    if (subject.same_machine)
      reads.push_back(memory_read_rate(
          std::min<std::size_t>(read_bytes_max, subject.model.weight_bytes)));
    for (std::size_t i = 0; failed && i < options.batches.size(); ++i) {
      auto rate = decode_rate(subject, runners, options.batches[i],
                              options.tokens, number);
      if (rate)
        rates[i].push_back(rate.value());
      else
        failed = rate.error();
    }
  }
  BOOST_OUTCOME_TRYV(clean_up(runners));
  BOOST_OUTCOME_TRYV(std::move(failed));
  json report = head_of(subject);
  const double read = bench::median(reads);
  if (subject.same_machine) report["read_gb_s"] = read / 1e9;
  report["rows"] = json::array();
  const double base = bench::median(rates.front());
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const double rate = bench::median(rates[i]);
    const double streamed = rate / options.batches[i] * weights;
    json row{{"batch", options.batches[i]},
             {"tokens_per_second", rate},
             {"ratio", base > 0 ? rate / base : 0},
             {"weights_gb_s", streamed / 1e9}};
    if (read > 0) row["of_read"] = streamed / read;
    report["rows"].push_back(std::move(row));
  }
  return report;
}

// ---- capture ----------------------------------------------------------------

namespace {

struct capture_mode {
  const char* name;
  bool capture;
  lens_mode lens;
};

constexpr std::array<capture_mode, 4> capture_modes{{
    {"none", false, lens_mode::on_demand},
    {"on_demand", true, lens_mode::on_demand},
    {"deferred", true, lens_mode::deferred},
    {"eager", true, lens_mode::eager},
}};

struct captured {
  std::vector<double> tokens_per_second;
  std::vector<double> first_token_ms;
  std::vector<double> durable_ms;
};

result<void> run_captured(const bench_subject& subject, turn_runner& runner,
                          const capture_mode& mode, std::uint64_t number,
                          std::uint32_t tokens, captured& into) {
  auto request = numbered_turn(subject.model.name, number, tokens);
  request.capture = mode.capture;
  request.lens = static_cast<std::uint8_t>(mode.lens);
  request.wait_durable = true;
  BOOST_OUTCOME_TRY(turn, runner.run(request, *subject.interrupted));
  if (*subject.interrupted) return interrupted_error();
  const auto& done = turn.done;
  if (!done.durable)
    return fail(error_code::io_error,
                "a turn did not become durable: " + done.not_durable_because);
  into.tokens_per_second.push_back(done.tokens_per_second);
  into.first_token_ms.push_back(done.first_token_ms);
  into.durable_ms.push_back(done.durable_ms - done.total_ms);
  return success();
}

}  // namespace

result<json> measure_capture(const bench_subject& subject,
                             const bench_capture_options& options) {
  BOOST_OUTCOME_TRY(runner, turn_runner::dial(subject));
  std::array<captured, capture_modes.size()> measured;
  captured warm_up;
  std::uint64_t number = 0;
  auto failed =
      run_captured(subject, runner, capture_modes[1], number++, 16, warm_up);
  for (std::uint32_t round = 0; round < options.rounds; ++round)
    for (std::size_t i = 0; failed && i < measured.size(); ++i)
      failed = run_captured(subject, runner, capture_modes[i], number++,
                            options.tokens, measured[i]);
  BOOST_OUTCOME_TRYV(runner.clean_up());
  BOOST_OUTCOME_TRYV(std::move(failed));
  json report = head_of(subject);
  report["rows"] = json::array();
  const double base = bench::median(measured[0].tokens_per_second);
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const double rate = bench::median(measured[i].tokens_per_second);
    report["rows"].push_back(
        {{"mode", capture_modes[i].name},
         {"tokens_per_second", rate},
         {"ratio", base > 0 ? rate / base : 0},
         {"first_token_ms", bench::median(measured[i].first_token_ms)},
         {"durable_ms", bench::median(measured[i].durable_ms)}});
  }
  return report;
}

}  // namespace lamina::cli

// Measures a model through the running daemon, as those who use it meet it:
// how fast it writes, what capture costs, how many sessions share it.
//
// Everything goes over connections of their own, a thread each. What is written
// is deleted again. Compares within one run: machines drift. Any thread, one
// measurement at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client/cli/json_forms.hpp"
#include "client/cpp/client.hpp"

namespace lamina::cli {

/// What is measured, and with what connections.
struct bench_subject {
  std::function<result<client>()> dial;
  wire::ModelInfoT model;
  bool same_machine = false;  // its memory can be measured from here
  const std::atomic<bool>* interrupted = nullptr;
};

struct bench_decode_options {
  std::string model;  // empty: the only one
  std::vector<std::uint32_t> batches{1, 4, 16};
  std::uint32_t tokens = 64;
  std::uint32_t rounds = 3;
};
/// Tokens per second of so many sequences at once, without capture. {model,
/// dtype, read_gb_s, rows: [{batch, tokens_per_second, ratio, weights_gb_s,
/// of_read}]}; without read_gb_s and of_read from another machine. Medians
/// over the rounds; all batches are measured in every round.
result<json> measure_decode(const bench_subject& subject,
                            const bench_decode_options& options);

struct bench_capture_options {
  std::string model;  // empty: the only one
  std::uint32_t tokens = 128;
  std::uint32_t rounds = 5;
};
/// {model, dtype, rows: [{mode, tokens_per_second, ratio, first_token_ms,
/// durable_ms}]}: no capture and each lens mode, interleaved, medians.
/// durable_ms is the time from the last token until all is synced.
result<json> measure_capture(const bench_subject& subject,
                             const bench_capture_options& options);

struct bench_sessions_options {
  std::string model;  // empty: the only one
  std::uint32_t sessions = 16;
  std::uint32_t clickers = 2;
  std::uint32_t seconds = 20;
  std::uint32_t tokens = 128;      // of an answer
  std::string lens = "on_demand";  // or "none": no capture
};
/// {model, dtype, sessions, clickers, lens, seconds, tokens_per_second,
/// alone_tokens_per_second, ratio, least_share, first_token_ms, gap_ms,
/// click_ms, click_client_ms, refused}; times are {count, p50, p99, longest}.
/// least_share: what the session that got least had of an equal share.
result<json> measure_sessions(const bench_subject& subject,
                              const bench_sessions_options& options);

}  // namespace lamina::cli

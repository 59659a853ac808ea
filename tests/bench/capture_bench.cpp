// What capture costs: decode rate and time until everything is durable, for no
// capture and each lens mode, interleaved, against a running daemon.
//
//   capture_bench ENDPOINT MODEL NEW_TOKENS ROUNDS
//
// Medians over the rounds; ratios are against no capture in the same run.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "client/cpp/client.hpp"
#include "tests/bench/samples.hpp"

namespace {

using namespace lamina;

struct mode {
  const char* name;
  bool capture;
  lens_mode lens;
};

constexpr mode modes[] = {
    {"no capture", false, lens_mode::on_demand},
    {"on_demand", true, lens_mode::on_demand},
    {"deferred", true, lens_mode::deferred},
    {"eager", true, lens_mode::eager},
};

struct measured {
  std::vector<double> tokens_per_second;
  std::vector<double> first_token_ms;
  std::vector<double> until_durable_ms;  // after the last token
};

void run_turn(client& c, const char* model, std::uint32_t tokens, int round,
              const mode& m, measured& out) {
  wire::GenerateT g;
  g.model = model;
  std::string prompt = std::to_string(round) + m.name;
  while (prompt.size() < 64)
    prompt += " and so on";
  g.prompt.assign(prompt.begin(), prompt.begin() + 64);
  g.max_new_tokens = tokens;
  g.capture = m.capture;
  g.lens = static_cast<std::uint8_t>(m.lens);
  g.wait_durable = true;
  auto done = c.generate(g);
  if (!done) {
    std::fprintf(stderr, "capture_bench: %s\n",
                 to_string(done.error()).c_str());
    std::exit(1);
  }
  if (!done.value().durable)
    std::printf("NOT DURABLE: %s\n", done.value().not_durable_because.c_str());
  out.tokens_per_second.push_back(done.value().tokens_per_second);
  out.first_token_ms.push_back(done.value().first_token_ms);
  out.until_durable_ms.push_back(done.value().durable_ms -
                                 done.value().total_ms);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr,
                 "usage: capture_bench ENDPOINT MODEL NEW_TOKENS ROUNDS\n");
    return 2;
  }
  auto address = parse_endpoint(argv[1]);
  auto c = client::connect(address.value());
  if (!c) {
    std::fprintf(stderr, "%s\n", to_string(c.error()).c_str());
    return 1;
  }
  std::map<std::string, measured> results;
  auto tokens = static_cast<std::uint32_t>(std::atoi(argv[3]));
  measured warm_up;
  run_turn(c.value(), argv[2], 16, -1, modes[1], warm_up);
  for (int round = 0; round < std::atoi(argv[4]); ++round)
    for (const auto& m : modes)
      run_turn(c.value(), argv[2], tokens, round, m, results[m.name]);
  double base = bench::median(results[modes[0].name].tokens_per_second);
  for (const auto& m : modes) {
    const auto& r = results[m.name];
    double rate = bench::median(r.tokens_per_second);
    std::printf(
        "%-10s %7.1f tokens/s  ratio %.3f  first token %6.1f ms  durable %7.1f "
        "ms after the last token\n",
        m.name, rate, rate / base, bench::median(r.first_token_ms),
        bench::median(r.until_durable_ms));
  }
}

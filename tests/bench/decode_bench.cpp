// How fast the engine alone decodes and prefills, beside what the memory bus
// could give: decode_bench MODEL_DIRECTORY [TOKENS=64 [MODE]]
//
// Compares within one run, because machines drift: bytes of weights streamed
// per second while decoding against a plain read of as many bytes. Decoding
// is the median over rounds; every mode runs in every round, or the one mode
// whose name is given.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "actors/model/engine.hpp"
#include "client/cli/memory_read.hpp"
#include "client/cli/samples.hpp"

namespace {

using namespace lamina;
using clock_type = std::chrono::steady_clock;

constexpr int rounds = 5;
constexpr std::uint32_t prompt_tokens = 512;

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

using bench::median;

sequence_request request(std::uint32_t prompt, std::uint32_t answer) {
  sequence_request r;
  for (std::uint32_t i = 0; i < prompt; ++i)
    r.tokens.push_back(1 + i * 37 % 200);
  r.max_new_tokens = answer;
  r.keep_cache = false;
  return r;
}

struct mode {
  const char* name;
  bool capture;
  lens_mode lens;
  std::uint32_t sequences;
};

// Decoded tokens per second, after the first step (the prompt's).
double decode_rate(const model_ptr& m, const mode& how, std::uint32_t tokens) {
  const auto e = engine::create(m, {});
  for (std::uint32_t i = 0; i < how.sequences; ++i) {
    sequence_request r = request(16, tokens + 1);
    r.capture = how.capture;
    r.lens = how.lens;
    r.conversation = i;
    if (!e->add(r)) std::exit(1);
  }
  e->step();
  const auto start = clock_type::now();
  while (!e->idle())
    e->step();
  return how.sequences * tokens / seconds_since(start);
}

double prefill_rate(const model_ptr& m) {
  const auto e = engine::create(m, {});
  if (!e->add(request(prompt_tokens, 0))) std::exit(1);
  const auto start = clock_type::now();
  while (!e->idle())
    e->step();
  return prompt_tokens / seconds_since(start);
}

// Weights that one step reads: all but the embedding's, of which it reads a row
// a token, where that is not the head as well. The bench's models tie them.
double bytes_read(const model_description& d) {
  return static_cast<double>(d.weight_bytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: decode_bench MODEL_DIRECTORY [TOKENS [MODE]]\n");
    return 2;
  }
  const auto tokens =
      static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 64);
  const auto loaded = model::load({"bench", argv[1], {}});
  if (!loaded) {
    std::fprintf(stderr, "%s\n", to_string(loaded.error()).c_str());
    return 1;
  }
  const auto m = loaded.value();
  const auto& d = m->description();
  const mode modes[] = {
      {"no capture", false, lens_mode::on_demand, 1},
      {"capture", true, lens_mode::on_demand, 1},
      {"capture, eager lens", true, lens_mode::eager, 1},
      {"no capture, batch of 2", false, lens_mode::on_demand, 2},
      {"no capture, batch of 4", false, lens_mode::on_demand, 4},
      {"no capture, batch of 16", false, lens_mode::on_demand, 16},
      {"no capture, batch of 64", false, lens_mode::on_demand, 64},
      {"eager lens, batch of 16", true, lens_mode::eager, 16}};
  const char* only = argc > 3 ? argv[3] : nullptr;
  const auto wanted = [&](const mode& how) {
    return only == nullptr || std::strcmp(only, how.name) == 0;
  };
  std::vector<double> rates[std::size(modes)], bandwidth, prefill;
  for (int round = 0; round < rounds; ++round) {
    bandwidth.push_back(cli::memory_read_rate(d.weight_bytes));
    for (std::size_t i = 0; i < std::size(modes); ++i)
      if (wanted(modes[i]))
        rates[i].push_back(decode_rate(m, modes[i], tokens));
    prefill.push_back(prefill_rate(m));
  }
  std::printf("%u layers x %u, %.1f M parameters, %s, %d threads, %s\n",
              d.layers, d.width, d.parameters / 1e6,
              std::string(to_string(d.compute)).c_str(), omp_get_max_threads(),
              d.matmul_path.c_str());
  std::printf("memory read        %7.1f GB/s\n", median(bandwidth) / 1e9);
  const double base = wanted(modes[0]) ? median(rates[0]) : 0;
  for (std::size_t i = 0; i < std::size(modes); ++i) {
    if (!wanted(modes[i])) continue;
    const double rate = median(rates[i]);
    const double streamed = rate / modes[i].sequences * bytes_read(d);
    std::printf(
        "decode %-24s %8.1f tokens/s  x %5.2f  %5.1f GB/s, %.2f of read\n",
        modes[i].name, rate, rate / base, streamed / 1e9,
        streamed / median(bandwidth));
  }
  std::printf("prefill %u tokens  %7.0f tokens/s\n", prompt_tokens,
              median(prefill));
  return 0;
}

// How fast the engine alone decodes and prefills, beside what the memory bus
// could give: decode_bench MODEL_DIRECTORY [TOKENS=64]
//
// Compares within one run, because machines drift: bytes of weights streamed
// per second while decoding against a plain read of as many bytes. Decoding
// is the median over rounds; every mode runs in every round.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "actors/model/engine.hpp"

namespace {

using namespace lamina;
using clock_type = std::chrono::steady_clock;

constexpr int rounds = 5;
constexpr std::uint32_t prompt_tokens = 512;

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2,
                   values.end());
  return values[values.size() / 2];
}

// Bytes per second of summing memory that no cache holds, as fast as plain
// loops can: four streams a thread, some lines of each in turn. One stream
// alone reaches two thirds of it.
double read_bandwidth() {
  typedef std::uint64_t pair __attribute__((vector_size(16)));
  constexpr std::size_t streams = 4, burst = 16;  // pairs: four cache lines
  static const std::vector<pair> memory(15'000'000, pair{1, 1});
  const int threads = omp_get_max_threads();
  const std::size_t length =
      memory.size() / (threads * streams) / burst * burst;
  std::vector<std::uint64_t> sums(threads);
  const auto start = clock_type::now();
#pragma omp parallel for schedule(static, 1)
  for (int t = 0; t < threads; ++t) {
    const pair* from = memory.data() + t * streams * length;
    pair sum[4] = {};
    for (std::size_t i = 0; i < length; i += burst)
#pragma GCC unroll 4
      for (std::size_t s = 0; s < streams; ++s)
#pragma GCC unroll 16
        for (std::size_t p = 0; p < burst; ++p)
          sum[p % 4] += from[s * length + i + p];
    for (const pair& p : sum)
      sums[t] += p[0] + p[1];
  }
  const double taken = seconds_since(start);
  const double bytes =
      static_cast<double>(threads) * streams * length * sizeof(pair);
  return sums[0] == 0 ? 0 : bytes / taken;
}

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
    std::fprintf(stderr, "usage: decode_bench MODEL_DIRECTORY [TOKENS]\n");
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
  std::vector<double> rates[std::size(modes)], bandwidth, prefill;
  for (int round = 0; round < rounds; ++round) {
    bandwidth.push_back(read_bandwidth());
    for (std::size_t i = 0; i < std::size(modes); ++i)
      rates[i].push_back(decode_rate(m, modes[i], tokens));
    prefill.push_back(prefill_rate(m));
  }
  std::printf("%u layers x %u, %.1f M parameters, %s, %d threads, %s\n",
              d.layers, d.width, d.parameters / 1e6,
              std::string(to_string(d.compute)).c_str(), omp_get_max_threads(),
              d.matmul_path.c_str());
  std::printf("memory read        %7.1f GB/s\n", median(bandwidth) / 1e9);
  const double base = median(rates[0]);
  for (std::size_t i = 0; i < std::size(modes); ++i) {
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

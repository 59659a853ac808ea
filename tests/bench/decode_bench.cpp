// How fast the engine alone decodes and prefills, beside what the memory bus
// could give: decode_bench MODEL_DIRECTORY [TOKENS=64 [MODE]]
//
// Compares within one run, because machines drift: bytes of weights streamed
// per second while decoding against a plain read of as many bytes. Decoding
// is the median over rounds; every mode runs in every round, or the one mode
// whose name is given, with the weights as they are stored and as int8.
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
std::size_t bytes_read(const model_description& d) {
  return d.weights == weight_format::stored ? d.weight_bytes : d.copied_bytes;
}

constexpr mode modes[] = {
    {"no capture", false, lens_mode::on_demand, 1},
    {"capture", true, lens_mode::on_demand, 1},
    {"capture, eager lens", true, lens_mode::eager, 1},
    {"no capture, batch of 2", false, lens_mode::on_demand, 2},
    {"no capture, batch of 4", false, lens_mode::on_demand, 4},
    {"no capture, batch of 16", false, lens_mode::on_demand, 16},
    {"no capture, batch of 64", false, lens_mode::on_demand, 64},
    {"eager lens, batch of 16", true, lens_mode::eager, 16}};

// A model and what was measured of it, a value a round.
struct subject {
  model_ptr loaded;
  std::vector<double> rates[std::size(modes)];
  std::vector<double> bandwidth, prefill;
};

subject open(const char* directory, weight_format weights) {
  model_options options{"bench", directory, {}};
  options.weights = weights;
  auto loaded = model::load(options);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", to_string(loaded.error()).c_str());
    std::exit(1);
  }
  return {loaded.value(), {}, {}, {}};
}

void report(const subject& s, const char* only) {
  const model_description& d = s.loaded->description();
  std::printf(
      "%u layers x %u, %.1f M parameters, %s, weights %s, %d threads, "
      "%s\n",
      d.layers, d.width, d.parameters / 1e6,
      std::string(to_string(d.compute)).c_str(),
      std::string(to_string(d.weights)).c_str(), omp_get_max_threads(),
      d.matmul_path.c_str());
  if (d.loss.logits)
    std::printf("weights %.2f %% off, logits %.2f %%\n", 100 * d.loss.weights,
                100 * *d.loss.logits);
  const double read = median(s.bandwidth);
  std::printf("memory read        %7.1f GB/s\n", read / 1e9);
  const double base = s.rates[0].empty() ? 0 : median(s.rates[0]);
  for (std::size_t i = 0; i < std::size(modes); ++i) {
    if (only != nullptr && std::strcmp(only, modes[i].name) != 0) continue;
    const double rate = median(s.rates[i]);
    const double streamed =
        rate / modes[i].sequences * static_cast<double>(bytes_read(d));
    std::printf(
        "decode %-24s %8.1f tokens/s  x %5.2f  %5.1f GB/s, %.2f of read\n",
        modes[i].name, rate, rate / base, streamed / 1e9, streamed / read);
  }
  std::printf("prefill %u tokens  %7.0f tokens/s\n", prompt_tokens,
              median(s.prefill));
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
  const char* only = argc > 3 ? argv[3] : nullptr;
  subject subjects[] = {open(argv[1], weight_format::stored),
                        open(argv[1], weight_format::int8)};
  for (int round = 0; round < rounds; ++round)
    for (subject& s : subjects) {
      s.bandwidth.push_back(
          cli::memory_read_rate(bytes_read(s.loaded->description())));
      for (std::size_t i = 0; i < std::size(modes); ++i)
        if (only == nullptr || std::strcmp(only, modes[i].name) == 0)
          s.rates[i].push_back(decode_rate(s.loaded, modes[i], tokens));
      s.prefill.push_back(prefill_rate(s.loaded));
    }
  for (const subject& s : subjects)
    report(s, only);
  return 0;
}

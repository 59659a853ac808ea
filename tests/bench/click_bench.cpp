// How long a click takes, against a running daemon over its socket.
//
//   click_bench ENDPOINT prepare CONVERSATIONS TOKENS
//   click_bench ENDPOINT click ROUNDS
//
// `click` asks for the lens and for the raw activations of one position of
// every chunk of every conversation, in random order: row 8, so that no click
// warms another's chunk. Times are those of the daemon (took_us) and of the
// caller (socket included). run.py restarts the daemon in between for disk.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "client/cli/samples.hpp"
#include "client/cpp/client.hpp"

namespace {

using namespace lamina;
using clock_type = std::chrono::steady_clock;

[[noreturn]] void give_up(const error& e) {
  std::fprintf(stderr, "click_bench: %s\n", to_string(e).c_str());
  std::exit(1);
}

template <class T>
T must(result<T> r) {
  if (!r) give_up(r.error());
  return std::move(r).value();
}

void check(const result<void>& r) {
  if (!r) give_up(r.error());
}

void prepare(client& c, int conversations, std::uint32_t tokens) {
  for (int i = 0; i < conversations; ++i) {
    wire::GenerateT g;
    g.model = "demo";
    std::string prompt = "Chapter " + std::to_string(i) + ".";
    g.prompt.assign(prompt.begin(), prompt.end());
    g.max_new_tokens = tokens;
    g.temperature = 1;
    g.seed = static_cast<std::uint64_t>(i);
    g.lens = 1;
    g.wait_durable = true;
    must(c.generate(g));
  }
}

struct position {
  std::string conversation;
  std::uint32_t at;
};

std::vector<position> row_eight_of_every_chunk(client& c) {
  std::vector<position> all;
  const auto listed = must(c.conversations());
  for (const auto& conversation : listed.conversations)
    for (std::uint32_t p = 8; p < conversation->positions; p += 16)
      all.push_back({conversation->id, p});
  return all;
}

struct timings {
  std::vector<double> daemon_ms;
  std::vector<double> client_ms;
};

double since_ms(clock_type::time_point start) {
  return std::chrono::duration<double, std::milli>(clock_type::now() - start)
      .count();
}

void print(const std::string& what, const timings& t) {
  std::printf(
      "%-24s %6zu  daemon p50 %.3f p99 %.3f  client p50 %.3f p99 %.3f\n",
      what.c_str(), t.daemon_ms.size(), bench::median(t.daemon_ms),
      bench::percentile(t.daemon_ms, 0.99), bench::median(t.client_ms),
      bench::percentile(t.client_ms, 0.99));
}

void click(client& c, int rounds) {
  auto positions = row_eight_of_every_chunk(c);
  std::mt19937 random(7);
  std::map<std::string, timings> measured;
  for (int round = 0; round < rounds; ++round) {
    std::shuffle(positions.begin(), positions.end(), random);
    for (const auto& p : positions) {
      wire::GetLensT lens;
      lens.conversation = p.conversation;
      lens.positions = {p.at};
      auto start = clock_type::now();
      auto seen = must(c.lens(lens));
      auto& l = measured["lens, " + seen.positions.at(0)->source];
      l.client_ms.push_back(since_ms(start));
      l.daemon_ms.push_back(seen.took_us / 1000.0);
    }
    for (const auto& p : positions) {
      wire::GetActivationsT raw;
      raw.conversation = p.conversation;
      raw.position_begin = p.at;
      raw.position_end = p.at + 1;
      std::string source;
      double daemon_ms = 0;
      auto start = clock_type::now();
      check(c.activations(raw,
                          [&](const wire::ActivationsT& part,
                              std::span<const std::byte>) -> result<void> {
                            source = part.source;
                            daemon_ms = part.took_us / 1000.0;
                            return success();
                          }));
      auto& a = measured["activations, " + source];
      a.client_ms.push_back(since_ms(start));
      a.daemon_ms.push_back(daemon_ms);
    }
  }
  for (const auto& [what, t] : measured)
    print(what, t);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr,
                 "usage: click_bench ENDPOINT prepare CONVERSATIONS TOKENS\n"
                 "       click_bench ENDPOINT click ROUNDS\n");
    return 2;
  }
  auto c = must(client::connect(must(parse_endpoint(argv[1]))));
  if (std::string(argv[2]) == "prepare" && argc == 5)
    prepare(c, std::atoi(argv[3]),
            static_cast<std::uint32_t>(std::atoi(argv[4])));
  else
    click(c, std::atoi(argv[3]));
}

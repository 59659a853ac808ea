// What the store takes in and gives back, against a running daemon over its
// socket: activations of a model's shape are brought, then clicked on.
//
//   store_bench ENDPOINT put LAYERS WIDTH QUALITY TOKENS
//   store_bench ENDPOINT click CONVERSATION BEFORE
//
// `put` brings synthetic resid_post rows in bfloat16 and waits until they are
// durable. `click` asks for all layers of row 8 of every third chunk, in random
// order, with BEFORE positions before it, so that no click warms another's
// chunks. Each prints one line of JSON; run.py restarts the daemon in between,
// drops the page cache and makes the table.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "client/cli/samples.hpp"
#include "client/cpp/bring.hpp"
#include "tests/bench/residual_rows.hpp"

namespace {

using namespace lamina;
using clock_type = std::chrono::steady_clock;

constexpr std::uint32_t seed = 7;
/// Different rows; the positions of a conversation repeat them.
constexpr std::uint32_t positions_made = 48;

[[noreturn]] void give_up(const error& e) {
  std::fprintf(stderr, "store_bench: %s\n", to_string(e).c_str());
  std::exit(1);
}

template <class T>
T must(result<T> r) {
  if (!r) give_up(r.error());
  return std::move(r).value();
}

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

/// [slot][position][width] of the positions that are made.
std::vector<std::byte> make_rows(std::uint32_t layers, std::uint32_t width) {
  const std::size_t row_bytes = 2 * std::size_t{width};
  std::vector<std::byte> rows(layers * positions_made * row_bytes);
  bench::residual_walk walk(layers, width, seed);
  for (std::uint32_t p = 0; p < positions_made; ++p)
    walk.position(p == 0, [&](std::uint32_t slot,
                              std::span<const std::byte> row) {
      std::copy(row.begin(), row.end(),
                rows.begin() + static_cast<std::ptrdiff_t>(
                                   (slot * positions_made + p) * row_bytes));
    });
  return rows;
}

std::vector<wire::TokenT> make_tokens(std::uint32_t count) {
  std::vector<wire::TokenT> tokens(count);
  std::mt19937 random(seed);
  for (auto& token : tokens) {
    token.id = random() % 50'000;
    token.bytes = {' ', 'w', 'o', 'r', 'd'};
    token.role = 1;
  }
  return tokens;
}

void put(client& c, std::uint32_t layers, std::uint32_t width,
         const std::string& quality, std::uint32_t count) {
  const auto rows = make_rows(layers, width);
  const std::size_t row_bytes = 2 * std::size_t{width};
  brought_conversation what;
  what.declared.model = "synthetic";
  what.declared.dtype = static_cast<std::uint8_t>(dtype::bfloat16);
  what.declared.layers = layers;
  what.declared.width = width;
  what.declared.quality = quality;
  what.tokens = make_tokens(count);
  what.rows = {{0, count}};
  what.wait_durable = true;
  what.read_rows = [&](position_span part,
                       std::span<std::byte> out) -> result<void> {
    for (std::uint32_t slot = 0; slot < layers; ++slot)
      for (auto p = part.begin; p < part.end; ++p)
        std::memcpy(
            out.data() + (slot * part.size() + p - part.begin) * row_bytes,
            rows.data() +
                (slot * positions_made + p % positions_made) * row_bytes,
            row_bytes);
    return success();
  };
  const auto start = clock_type::now();
  const auto brought = must(bring(c, what));
  const auto seconds = seconds_since(start);
  if (!brought.durable)
    give_up({error_code::unavailable, brought.not_durable_because});
  std::printf(
      "{\"conversation\": \"%s\", \"seconds\": %.6f, "
      "\"raw_bytes\": %zu}\n",
      brought.conversation.c_str(), seconds,
      std::size_t{count} * layers * row_bytes);
}

void click(client& c, const std::string& conversation, std::uint32_t before) {
  wire::ShowConversationT show;
  show.conversation = conversation;
  const auto size = must(c.show(show)).positions;
  std::vector<std::uint32_t> positions;
  for (std::uint32_t p = 24; p < size; p += 48)
    positions.push_back(p);
  std::mt19937 random(seed);
  std::shuffle(positions.begin(), positions.end(), random);
  std::vector<double> daemon_ms;
  std::vector<double> client_ms;
  std::string source;
  for (const auto p : positions) {
    wire::GetActivationsT ask;
    ask.conversation = conversation;
    ask.position_begin = p - before;
    ask.position_end = p + 1;
    double took = 0;
    const auto start = clock_type::now();
    const auto read =
        c.activations(ask,
                      [&](const wire::ActivationsT& part,
                          std::span<const std::byte>) -> result<void> {
                        source = part.source;
                        took = part.took_us / 1000.0;
                        return success();
                      });
    if (!read) give_up(read.error());
    client_ms.push_back(1000 * seconds_since(start));
    daemon_ms.push_back(took);
  }
  std::printf(
      "{\"clicks\": %zu, \"source\": \"%s\", \"p50_ms\": %.4f, "
      "\"p99_ms\": %.4f, \"client_p50_ms\": %.4f, "
      "\"client_p99_ms\": %.4f}\n",
      positions.size(), source.c_str(), bench::median(daemon_ms),
      bench::percentile(daemon_ms, 0.99), bench::median(client_ms),
      bench::percentile(client_ms, 0.99));
}

std::uint32_t number(const char* text) {
  return static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[2] : "";
  if (!(what == "put" && argc == 7) && !(what == "click" && argc == 5)) {
    std::fprintf(stderr,
                 "usage: store_bench ENDPOINT put LAYERS WIDTH QUALITY TOKENS\n"
                 "       store_bench ENDPOINT click CONVERSATION BEFORE\n");
    return 2;
  }
  auto c = must(client::connect(must(parse_endpoint(argv[1]))));
  if (what == "put")
    put(c, number(argv[3]), number(argv[4]), argv[5], number(argv[6]));
  else
    click(c, argv[3], number(argv[4]));
}

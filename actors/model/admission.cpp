#include "actors/model/admission.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "actors/model/kv_cache.hpp"

namespace lamina {
namespace {

// Bounds of what a client that was refused is told to wait.
constexpr double retry_ms_min = 50;
constexpr double retry_ms_max = 30'000;

// Whoever is refused comes back when the first of those that run has ended, if
// none ends before its time.
error overloaded(const engine_load& load, const std::string& sentence) {
  std::uint32_t tokens = std::numeric_limits<std::uint32_t>::max();
  for (const auto& s : load.running)
    tokens = std::min(tokens, s->tokens_left() + 1);
  const double ms = load.running.empty() ? 0 : 1e3 * load.step_seconds * tokens;
  return {
      error_code::overloaded, sentence,
      static_cast<std::uint32_t>(std::clamp(ms, retry_ms_min, retry_ms_max))};
}

template <class Among>
std::size_t count(const sequences& running, Among among) {
  return static_cast<std::size_t>(
      std::count_if(running.begin(), running.end(), among));
}

result<void> find_place(const sequence_request& r, std::size_t most,
                        const engine_load& load) {
  const auto& running = load.running;
  if (running.size() >= most)
    return overloaded(
        load, std::to_string(running.size()) + " sequences are running");
  const auto own =
      count(running, [&](const auto& s) { return s->owner() == r.owner; });
  if (own >= most - most / 4)
    return overloaded(
        load, std::to_string(own) + " sequences of " +
                  (r.owner.empty() ? "one owner" : r.owner) +
                  " are running, which is as many as one owner may have");
  const auto bulk = count(running, [](const auto& s) { return s->bulk(); });
  if (r.bulk && bulk >= std::max<std::size_t>(most / 4, 1))
    return overloaded(load,
                      std::to_string(bulk) + " recomputations are running");
  return success();
}

// What a cache takes in the end. Pages that others share count, too.
std::uint64_t bytes_at_end(std::size_t tokens, std::uint32_t tokens_left,
                           const engine_load& load) {
  const auto positions =
      std::min<std::uint64_t>(tokens + tokens_left, load.context_length);
  constexpr std::uint64_t page = kv_cache::page_positions;
  return (positions + page - 1) / page * load.kv_page_bytes;
}

result<void> find_memory(const sequence_request& r, std::uint64_t most,
                         const engine_load& load) {
  if (most == 0 || load.running.empty()) return success();
  std::uint64_t bytes = bytes_at_end(r.tokens.size(), r.max_new_tokens, load);
  for (const auto& s : load.running)
    bytes += bytes_at_end(s->tokens().size(), s->tokens_left(), load);
  if (bytes <= most) return success();
  return overloaded(load, "the KV caches of " +
                              std::to_string(load.running.size()) +
                              " running sequences and this one may grow to " +
                              std::to_string(bytes) + " bytes, beyond " +
                              std::to_string(most));
}

}  // namespace

result<void> admit(const sequence_request& request,
                   const engine_options& options, const engine_load& load) {
  BOOST_OUTCOME_TRYV(find_place(request, options.max_sequences, load));
  return find_memory(request, options.kv_running_bytes_max, load);
}

}  // namespace lamina

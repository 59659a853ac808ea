#include "actors/model/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

namespace lamina {
namespace {

// The first highest logit; nothing when a NaN is among them or none is finite.
std::optional<token_id> best(std::span<const float> logits) {
  std::size_t at = 0;
  bool any_nan = false;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    any_nan = any_nan || std::isnan(logits[i]);
    if (logits[i] > logits[at]) at = i;
  }
  if (any_nan || logits.empty() || !std::isfinite(logits[at]))
    return std::nullopt;
  return static_cast<token_id>(at);
}

}  // namespace

result<void> check(const sampling_options& options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0)
    return fail(error_code::invalid_argument,
                "temperature is not a number of at least 0");
  if (!(options.top_p > 0) || options.top_p > 1)
    return fail(error_code::invalid_argument,
                "top_p is not above 0 and at most 1");
  return success();
}

sampler::sampler(const sampling_options& options)
    : options_(options), generator_(options.seed) {}

result<token_id> sampler::next(std::span<const float> logits) {
  const auto highest = best(logits);
  if (!highest)
    return fail(error_code::internal,
                "the model's logits hold a NaN or nothing finite");
  if (options_.temperature == 0) return *highest;
  const bool all = options_.top_k == 0 || options_.top_k >= logits.size();
  if (all && options_.top_p == 1) return draw(logits, logits[*highest]);
  return draw_nucleus(logits, logits[*highest]);
}

// From the whole distribution: no sorting.
token_id sampler::draw(std::span<const float> logits, float highest) {
  const double scale = 1.0 / options_.temperature;
  double total = 0;
  for (const float x : logits)
    total += std::exp((x - highest) * scale);
  double left = uniform() * total;
  token_id last = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp((logits[i] - highest) * scale);
    if (weight == 0) continue;
    last = static_cast<token_id>(i);
    left -= weight;
    if (left < 0) break;
  }
  return last;
}

// From the top k, and of those the fewest that hold top_p of the mass. Only
// as much of the list is sorted as that takes.
token_id sampler::draw_nucleus(std::span<const float> logits, float highest) {
  candidates_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i)
    candidates_.push_back({logits[i], static_cast<token_id>(i)});
  const auto better = [](const candidate& a, const candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const double scale = 1.0 / options_.temperature;
  const auto weight = [&](const candidate& c) {
    return std::exp((c.logit - highest) * scale);
  };
  std::size_t kept = candidates_.size();
  if (options_.top_k != 0 && options_.top_k < kept) {
    kept = options_.top_k;
    std::nth_element(candidates_.begin(), candidates_.begin() + kept,
                     candidates_.end(), better);
  }
  double total = 0;
  for (std::size_t i = 0; i < kept; ++i)
    total += weight(candidates_[i]);

  const double wanted = total * options_.top_p;
  double mass = 0;
  std::size_t chosen = 0;
  for (std::size_t sorted = 0; chosen < kept && (mass < wanted || chosen == 0);
       ++chosen) {
    if (chosen == sorted) {
      const auto begin = candidates_.begin() + sorted;
      sorted = std::min(kept, std::max<std::size_t>(64, sorted * 8));
      std::partial_sort(begin, candidates_.begin() + sorted,
                        candidates_.begin() + kept, better);
    }
    mass += weight(candidates_[chosen]);
  }
  double left = uniform() * mass;
  std::size_t i = 0;
  for (; i + 1 < chosen; ++i) {
    left -= weight(candidates_[i]);
    if (left < 0) break;
  }
  return candidates_[i].id;
}

// 53 random bits in [0, 1), the same on every machine.
double sampler::uniform() {
  return static_cast<double>(generator_() >> 11) * 0x1p-53;
}

}  // namespace lamina

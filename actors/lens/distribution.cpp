#include "actors/lens/distribution.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/lens/distribution.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using lanes = hn::ScalableTag<float>;
using vec = hn::Vec<lanes>;

// Below this, exp(x) is 0 for every purpose here, and Highway's is undefined.
constexpr float exponent_min = -87.0f;
constexpr std::size_t stretch = 512;

// Puts a token into the sorted top list. Called with ascending ids, so that
// the strict comparison leaves ties to the lower id.
HWY_INLINE void insert(distribution& d, std::uint32_t id, float logit) {
  std::uint32_t at = lens_top_k - 1;
  for (; at > 0 && logit > d.top_logits[at - 1]; --at) {
    d.top_ids[at] = d.top_ids[at - 1];
    d.top_logits[at] = d.top_logits[at - 1];
  }
  d.top_ids[at] = id;
  d.top_logits[at] = logit;
}

// Sums over a row relative to the highest logit so far: with e = exp(x -
// highest), of e, of e * (x - highest) and of e * (x - reference).
struct running_sums {
  double highest = -std::numeric_limits<double>::infinity();
  double weight = 0;
  double logit = 0;
  double difference = 0;

  // The online softmax of Milakov and Gimelshein 2018.
  HWY_INLINE void raise_to(double higher) {
    const double apart = highest - higher;
    const double scale = std::exp(apart);  // 0 at first
    if (weight != 0) logit = scale * (logit + apart * weight);
    weight *= scale;
    difference *= scale;
    highest = higher;
  }
};

// Puts what is higher than the lowest of the top list into it.
HWY_INLINE void find_top(const float* x, std::size_t first, std::size_t last,
                         distribution& out) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  float& lowest = out.top_logits[lens_top_k - 1];
  std::size_t i = first;
  for (; i + step <= last; i += step) {
    const vec threshold = hn::Set(d, lowest);
    if (hn::AllFalse(d, hn::Gt(hn::LoadU(d, x + i), threshold))) continue;
    for (std::size_t j = i; j < i + step; ++j)
      if (x[j] > lowest) insert(out, static_cast<std::uint32_t>(j), x[j]);
  }
  for (; i < last; ++i)
    if (x[i] > lowest) insert(out, static_cast<std::uint32_t>(i), x[i]);
}

HWY_INLINE void add_stretch(const float* x, const float* reference,
                            std::size_t first, std::size_t last,
                            running_sums& sums) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const vec top = hn::Set(d, static_cast<float>(sums.highest));
  const vec least = hn::Set(d, exponent_min);
  vec weight = hn::Zero(d), logit = weight, difference = weight;
  std::size_t i = first;
  for (; i + step <= last; i += step) {
    const vec here = hn::LoadU(d, x + i);
    const vec shifted = hn::Sub(here, top);
    const vec e = hn::IfThenElseZero(hn::Gt(shifted, least),
                                     hn::Exp(d, hn::Max(shifted, least)));
    weight = hn::Add(weight, e);
    // A comparison, not Max, so that a NaN gets through.
    const vec bounded = hn::IfThenElse(hn::Lt(shifted, least), least, shifted);
    logit = hn::MulAdd(e, bounded, logit);
    const vec apart = hn::Sub(here, hn::LoadU(d, reference + i));
    difference = hn::MulAdd(e, apart, difference);
  }
  sums.weight += hn::GetLane(hn::SumOfLanes(d, weight));
  sums.logit += hn::GetLane(hn::SumOfLanes(d, logit));
  sums.difference += hn::GetLane(hn::SumOfLanes(d, difference));
  for (; i < last; ++i) {
    const double shifted = static_cast<double>(x[i]) - sums.highest;
    if (shifted <= exponent_min) continue;
    const double e = std::exp(shifted);
    sums.weight += e;
    sums.logit += e * shifted;
    sums.difference += e * (static_cast<double>(x[i]) - reference[i]);
  }
}

// One pass: the top list's head is the highest logit so far, so that each
// stretch is summed while it is in the first-level cache.
void summarise(const float* x, const float* reference, std::size_t count,
               distribution& out) {
  std::fill(std::begin(out.top_ids), std::end(out.top_ids), no_token);
  std::fill(std::begin(out.top_logits), std::end(out.top_logits),
            -std::numeric_limits<float>::infinity());
  running_sums sums;
  for (std::size_t first = 0; first < count; first += stretch) {
    const std::size_t last = std::min(count, first + stretch);
    find_top(x, first, last, out);
    if (out.top_logits[0] > sums.highest) sums.raise_to(out.top_logits[0]);
    if (out.top_ids[0] != no_token)
      add_stretch(x, reference, first, last, sums);
    else if (std::any_of(x + first, x + last,
                         [](float logit) { return std::isnan(logit); }))
      sums.logit = std::numeric_limits<double>::quiet_NaN();
  }
  // With a NaN among them the logits are no distribution.
  if (std::isnan(sums.logit)) sums.weight = sums.logit;
  out.log_normaliser = sums.highest + std::log(sums.weight);
  out.mean_logit = sums.highest + sums.logit / sums.weight;
  out.mean_difference = sums.difference / sums.weight;
}

std::size_t count_above(const float* x, std::size_t count, float value) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const vec threshold = hn::Set(d, value);
  std::size_t above = 0;
  std::size_t i = 0;
  for (; i + step <= count; i += step)
    above += hn::CountTrue(d, hn::Gt(hn::LoadU(d, x + i), threshold));
  for (; i < count; ++i)
    above += x[i] > value ? 1 : 0;
  return above;
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <cassert>

namespace lamina {
namespace {

HWY_EXPORT(summarise);
HWY_EXPORT(count_above);

}  // namespace

distribution summarise_row(std::span<const float> logits,
                           const float* reference) {
  distribution d;
  HWY_DYNAMIC_DISPATCH(summarise)
  (logits.data(), reference, logits.size(), d);
  return d;
}

std::uint32_t rank_of(std::span<const float> logits, token_id token) {
  assert(token < logits.size());
  const float value = logits[token];
  if (std::isnan(value)) return static_cast<std::uint32_t>(logits.size());
  std::size_t before =
      HWY_DYNAMIC_DISPATCH(count_above)(logits.data(), logits.size(), value);
  for (std::size_t i = 0; i < token; ++i)
    before += logits[i] == value ? 1 : 0;
  return static_cast<std::uint32_t>(before);
}

}  // namespace lamina

#endif  // HWY_ONCE

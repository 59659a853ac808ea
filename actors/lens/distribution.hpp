// One pass over a row of logits: the numbers that a lens record is made of.
// Stateless SIMD kernels; any thread.
#pragma once

#include <cstdint>
#include <span>

#include "actors/chunks/lens_record.hpp"

namespace lamina {

/// The softmax of a row of logits x, in nats. Sums run in float over short
/// stretches and in double across them.
struct distribution {
  std::uint32_t top_ids[lens_top_k];  // descending; the lower id on a tie;
                                      // no_token past the vocabulary
  float top_logits[lens_top_k];
  double log_normaliser = 0;   // log of the sum of exp(x)
  double mean_logit = 0;       // expectation of x under the distribution
  double mean_difference = 0;  // expectation of x - reference under it
};

/// `reference` is another row of the same length (for a KL divergence).
distribution summarise_row(std::span<const float> logits,
                           const float* reference);

/// How many tokens come before `token` when all are sorted by logit,
/// descending, the lower id first on a tie.
std::uint32_t rank_of(std::span<const float> logits, token_id token);

}  // namespace lamina

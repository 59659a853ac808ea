// Choosing the next token from logits: greedy, temperature, top-k, top-p
// (Holtzman et al. 2020), in Hugging Face's order: temperature, then top-k,
// then top-p on what is left.
//
// Each sequence owns one sampler, so that a seed gives the same text whatever
// else is in the batch. Not shared between threads.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct sampling_options {
  float temperature = 0;    // 0: greedy
  std::uint32_t top_k = 0;  // 0: all
  float top_p = 1;          // 1: all
  std::uint64_t seed = 0;
};

/// invalid_argument, naming the option.
result<void> check(const sampling_options& options);

class sampler {
 public:
  /// `options` passed `check`.
  explicit sampler(const sampling_options& options);

  /// The next token; the lower id on a tie when greedy. `internal` when the
  /// logits hold a NaN or nothing finite: the model is broken.
  result<token_id> next(std::span<const float> logits);

 private:
  struct candidate {
    float logit;
    token_id id;
  };

  token_id draw(std::span<const float> logits, float highest);
  token_id draw_nucleus(std::span<const float> logits, float highest);
  double uniform();

  sampling_options options_;
  std::mt19937_64 generator_;
  std::vector<candidate> candidates_;  // kept between calls
};

}  // namespace lamina

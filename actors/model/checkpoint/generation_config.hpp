// generation_config.json of a Hugging Face directory: when a turn ends, and
// how its authors would have tokens drawn. Pure functions; any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "actors/model/sampling.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct generation_config {
  std::vector<token_id> end_tokens;  // empty: the file names none
  sampling_options sampling;         // greedy unless do_sample is true
};

/// Where do_sample is true, what is not said is what transformers takes:
/// temperature 1, top_k 50, top_p 1. Errors as config.json's. What the file
/// says of penalties, beams and lengths is not read.
result<generation_config> parse_generation_config(std::string_view json_text);

}  // namespace lamina

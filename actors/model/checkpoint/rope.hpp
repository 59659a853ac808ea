// Rotary positions as config.json describes them, in either spelling: an
// object `rope_parameters`, or `rope_theta` with `rope_scaling`. Kinds:
// "default" (Su et al. 2021) and "llama3" (the frequency scaling of Llama 3.1,
// as in Hugging Face transformers). Every other kind is refused by its name.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace lamina {

/// Low frequencies turn `factor` times slower, high ones stay, those between
/// go over smoothly. A frequency is low or high by how often it turns within
/// the context that the model was first trained on.
struct llama3_scaling {
  double factor = 1;
  double low_turns = 1;   // low_freq_factor
  double high_turns = 4;  // high_freq_factor
  std::uint32_t original_context = 0;

  friend bool operator==(const llama3_scaling&,
                         const llama3_scaling&) = default;
};

struct rope_settings {
  double theta = 10'000;
  std::optional<llama3_scaling> scaling;  // none: "default"

  /// "default:10000", part of a conversation's provenance.
  std::string text() const;

  /// How far a position turns each pair of a head: [head_dim / 2], radians.
  std::vector<float> inverse_frequencies(std::uint32_t head_dim) const;

  friend bool operator==(const rope_settings&, const rope_settings&) = default;
};

/// unsupported: a kind or a field that is not known, by its name.
/// invalid_argument: numbers that make no sense, or two spellings at odds.
result<rope_settings> read_rope(const nlohmann::json& config);

}  // namespace lamina

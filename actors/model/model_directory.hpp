// A model's directory, opened and checked: everything that it says, and no
// weights read yet. What loading and planning begin with. Internal to
// actors/model.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "actors/model/arch/family.hpp"
#include "actors/model/checkpoint/checkpoint.hpp"
#include "actors/model/checkpoint/generation_config.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "actors/model/model.hpp"
#include "actors/model/tokenizer/tokenizer.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct model_directory {
  std::filesystem::path path;
  std::string config_text;
  model_outline outline;
  std::vector<token_id> end_tokens;  // generation_config.json's, or config's
  sampling_options sampling;
  tokenizer_ptr text;
  checkpoint files;
  dtype compute = dtype::float32;
  weight_format weights = weight_format::stored;
  compute_device device{};

  /// For a reader of its weights, which may take so much memory.
  weights_options reading(std::uint64_t memory_bytes) const {
    return {compute, memory_bytes, false, weights, device};
  }
};

/// Errors name the file and the field.
result<model_directory> open_model_directory(const model_options& options);

/// What clients are told, but for what only the weights know.
model_description describe(const model_directory& opened,
                           const std::string& name);

}  // namespace lamina

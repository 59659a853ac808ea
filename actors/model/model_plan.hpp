// What a model's directory would take, before it is loaded: the headers of its
// weight files and config.json say it all. Loading asks the same, so a plan
// fails where loading would, with the same sentence. No torch in this header.
#pragma once

#include <cstdint>

#include "actors/model/model.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct model_plan {
  model_description model;  // without its fingerprint: nothing was hashed
  /// Of the weights, in the files' pages: they may be larger than memory.
  std::uint64_t mapped_bytes = 0;
  /// Of the weights, copied: to begin at a cache line, into another type,
  /// output by input, or as int8. Memory must hold them. All these are 0 where
  /// a device has the weights (`model.device_bytes`), but on the way there.
  std::uint64_t aligned_bytes = 0;
  std::uint64_t converted_bytes = 0;
  std::uint64_t turned_bytes = 0;
  std::uint64_t quantised_bytes = 0;
  std::uint64_t kv_bytes_per_token = 0;
  std::uint64_t captured_bytes_per_token = 0;  // raw: every site and layer
  std::uint64_t memory_bytes = 0;    // that it may take, of its device
  std::uint64_t context_tokens = 0;  // of one sequence that fit beside it
  bool fits = false;

  std::uint64_t copied_bytes() const {
    return aligned_bytes + converted_bytes + turned_bytes + quantised_bytes;
  }
};

/// Errors are those of `model::load`, but for that it does not fit: a plan
/// says so in `fits`.
result<model_plan> plan_model(const model_options& options);

/// "llama, 8,030,261,248 parameters: ...", why a plan does not fit, with its
/// numbers.
error does_not_fit(const model_plan& plan);

}  // namespace lamina

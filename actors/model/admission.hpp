// Whether one more sequence may join those that run. Nobody takes all places,
// or others could not even begin, and the KV caches of all fit into their
// memory also when each is written to its end. Pure; engine's thread.
#pragma once

#include <cstdint>

#include "actors/model/engine.hpp"
#include "actors/model/sequence.hpp"

namespace lamina {

/// What admission is decided by.
struct engine_load {
  const sequences& running;
  std::uint32_t context_length = 0;  // of the model
  std::size_t kv_page_bytes = 0;     // of 64 positions
  double step_seconds = 0;           // of the last step
};

/// overloaded, with the time after which the first of those that run may have
/// ended. A sequence that is alone is always admitted.
result<void> admit(const sequence_request& request,
                   const engine_options& options, const engine_load& load);

}  // namespace lamina

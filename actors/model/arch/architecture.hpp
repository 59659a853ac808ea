// What a model family gives the engine: its forward pass over the new tokens
// of all running sequences, and the head that ends it. One file a family
// implements it; nothing outside actors/model sees it.
//
// Immutable after loading; the memory that a pass works in is the caller's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "actors/lens/output_head.hpp"
#include "actors/model/kernels/attention.hpp"
#include "actors/model/kv_cache.hpp"
#include "actors/model/step_clock.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// Is shown every activation of a step as it comes into being.
class activation_sink {
 public:
  virtual ~activation_sink() = default;

  /// `slot` as in raw_chunk. rows: [tokens of the step][width], exactly what
  /// the model goes on with; valid during the call only.
  virtual void activations(std::uint32_t slot, const float* rows) = 0;
};

/// Buffers of a forward pass, kept between steps. After a pass `residual`
/// holds what the last layer gave: [tokens of the step][width].
struct forward_memory {
  std::vector<float> residual;
  std::vector<float> normed;
  std::vector<float> queries;
  std::vector<float> keys;
  std::vector<float> values;
  std::vector<float> mixed;
  std::vector<float> gate;
  std::vector<float> up;
  std::vector<float> cosines;
  std::vector<float> sines;
  step_clock clock;  // read where one part of the pass ends
};

class architecture {
 public:
  virtual ~architecture() = default;

  virtual kv_shape cache_shape() const = 0;
  virtual const output_head& head() const = 0;

  /// tokens: ids of all new positions, sequence after sequence as `spans`
  /// says; the caches already count these positions. Throws what libtorch
  /// throws.
  virtual void forward(std::span<const token_id> tokens,
                       std::span<const step_span> spans, forward_memory& memory,
                       activation_sink& sink) const = 0;
};

}  // namespace lamina

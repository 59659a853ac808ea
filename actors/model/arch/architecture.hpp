// What a model family gives the engine: its forward pass over the new tokens
// of all running sequences, and the head that ends it. One file a family
// implements it; nothing outside actors/model sees it.
//
// Immutable after loading; the memory that a pass works in is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

  /// The same from a device, in the element that captures have.
  virtual void copied_activations(std::uint32_t slot,
                                  const std::byte* rows) = 0;

  /// False when nobody keeps any row of the step.
  virtual bool wanted() const = 0;
};

/// What an architecture on a device keeps between steps, its own business.
class device_state {
 public:
  virtual ~device_state() = default;
};

/// A row of a pass: what left the embedding (slot 0) or layer slot - 1.
struct pass_row {
  std::uint32_t slot = 0;
  std::uint32_t row = 0;  // of the step
};

/// Buffers of a forward pass, kept between steps. After a pass on the CPU
/// `residual` holds what the last layer gave: [tokens of the step][width]. One
/// on a device leaves all rows there.
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
  std::unique_ptr<device_state> device;
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

  // What follows is for architectures on a device, those that make a
  // kv_memory.

  /// Where the caches of an engine lie, at most `bytes_max`; null: the heap.
  virtual std::shared_ptr<kv_memory> make_kv_memory(
      std::uint64_t /*bytes_max*/) const {
    return nullptr;
  }

  /// Logits of rows of the pass that was just made, left on the device. On
  /// the CPU `residual` and the head are the way.
  virtual scored_rows_ptr score(std::span<const pass_row> /*rows*/,
                                const forward_memory& /*memory*/) const {
    return nullptr;
  }

  /// Waits for the rows that a pass copies in the background and shows them
  /// to the sink. After each `forward`, as late as rows may come.
  virtual void finish(forward_memory& /*memory*/,
                      activation_sink& /*sink*/) const {}
};

}  // namespace lamina

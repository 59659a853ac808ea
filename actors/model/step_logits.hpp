// The logits that a step wants, wherever they are computed: on the CPU, from
// the residuals of its rows, or left on a device, where only what is made of
// them comes back. Kept between steps for its memory; engine's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "actors/lens/distribution.hpp"
#include "actors/model/arch/architecture.hpp"
#include "actors/model/sequence.hpp"
#include "actors/model/step.hpp"

namespace lamina {

/// A position of a step whose logits are wanted: for the next token, for the
/// lens of all layers, or both.
struct head_job {
  sequence* owner = nullptr;
  position_t position = 0;
  std::uint32_t step_row = 0;
  bool lens = false;
  bool sample = false;
};

/// A row of logits that the lens wants.
struct lens_row {
  std::uint32_t at = 0;            // among the rows of logits
  std::uint32_t last = 0;          // the same position's last layer
  std::optional<token_id> next{};  // the token to rate, once it is known
  distribution summary{};
  token_rating rating{};
};

class step_logits {
 public:
  virtual ~step_logits() = default;

  /// Job after job: with the lens a row for the embedding and each layer, else
  /// the last layer's alone. Throws what libtorch throws.
  virtual void compute(std::span<const head_job> jobs,
                       const chunk_writer& written, forward_memory& memory) = 0;

  /// Fills each `summary`, with the row `last` as its reference.
  virtual void summarise(std::span<lens_row> rows) = 0;

  /// Fills each `rating` where there is a `next`; after `summarise`.
  virtual void rate(std::span<lens_row> rows) = 0;

  /// [vocabulary] of each of these rows; valid until the next call.
  virtual std::span<const std::span<const float>> read(
      std::span<const std::uint32_t> rows) = 0;
};

/// `on_device`: the architecture's caches are.
std::unique_ptr<step_logits> make_step_logits(const architecture& layers,
                                              std::uint32_t layer_count,
                                              bool on_device);

}  // namespace lamina

// The end of a model as the logit lens uses it: final norm, head, logit scale
// and soft-cap. Implemented beside the weights (actors/model); the weights are
// read-only, so any number of threads may call it at once.
#pragma once

#include <cstdint>
#include <span>

#include "actors/lens/scored_rows.hpp"

namespace lamina {

class output_head {
 public:
  virtual ~output_head() = default;

  virtual std::uint32_t width() const = 0;
  virtual std::uint32_t vocabulary() const = 0;

  /// residuals: float [rows][width], as they leave a layer.
  /// logits:    float [rows][vocabulary], as the model would give them.
  /// `threads` bounds how many threads the computation may use.
  virtual void logits(std::span<const float> residuals, std::uint32_t rows,
                      std::span<float> logits, int threads) const = 0;

  /// The same, left on the device that computes them. Null where that is the
  /// CPU: then `logits` is the way.
  virtual scored_rows_ptr score(std::span<const float> /*residuals*/,
                                std::uint32_t /*rows*/, int /*threads*/) const {
    return nullptr;
  }
};

}  // namespace lamina

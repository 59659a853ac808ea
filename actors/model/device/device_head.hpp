// The end of a model on a device: final norm, head, and what the lens makes of
// logits, without bringing them back. Logits are float32 in any model: a head
// in bfloat16 is widened piece by piece.
//
// Immutable; any number of threads. On a GPU they share its one default
// stream, so that a click waits for the step that runs.
#pragma once

#include "actors/lens/output_head.hpp"
#include "actors/model/device/parts.hpp"

namespace lamina {

class device_head final : public output_head {
 public:
  device_head(device_norm norm, at::Tensor weight)
      : norm_(std::move(norm)), weight_(std::move(weight)) {}

  std::uint32_t width() const override {
    return static_cast<std::uint32_t>(weight_.size(1));
  }
  std::uint32_t vocabulary() const override {
    return static_cast<std::uint32_t>(weight_.size(0));
  }
  void logits(std::span<const float> residuals, std::uint32_t rows,
              std::span<float> out, int threads) const override;
  scored_rows_ptr score(std::span<const float> residuals, std::uint32_t rows,
                        int threads) const override;

  /// Rounded to the compute type, so that a captured final_norm row is exactly
  /// what the head reads. residuals, result: [rows][width], float32.
  at::Tensor norm(const at::Tensor& residuals) const;

  /// residuals: [rows][width], float32, on the device.
  scored_rows_ptr score(const at::Tensor& residuals) const;

 private:
  at::Tensor logits(const at::Tensor& residuals) const;
  at::Tensor uploaded(std::span<const float> residuals,
                      std::uint32_t rows) const;

  device_norm norm_;
  at::Tensor weight_;  // [vocabulary][width]
};

}  // namespace lamina

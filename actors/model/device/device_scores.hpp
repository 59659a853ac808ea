// Logits on a device and what the lens wants of them, in libtorch's operators:
// top k, sums under the softmax, ranks. A row that these cannot do justice,
// with equal logits among its first (whose order they leave open) or with
// logits that are no numbers, is brought back and summarised by the CPU's own
// code.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "actors/lens/scored_rows.hpp"

namespace lamina {

class device_scores final : public scored_rows {
 public:
  /// [rows][vocabulary], float32.
  explicit device_scores(at::Tensor logits) : logits_(std::move(logits)) {}

  std::vector<distribution> summarise(
      std::span<const row_pair> rows) const override;
  std::vector<token_rating> rate(
      std::span<const row_token> rows) const override;
  std::vector<float> logits(std::span<const std::uint32_t> rows) const override;

 private:
  at::Tensor gather(const std::vector<std::int64_t>& rows) const;
  at::Tensor indices(const std::vector<std::int64_t>& values) const;

  at::Tensor logits_;
};

}  // namespace lamina

// Synthetic residual streams: random walks over the layers, with channels that
// differ in size (log-normal), a few outlier channels, and a first token with
// massive activations. For speed and extremes; their bits say little about a
// trained model's.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "protocol/floats.hpp"

namespace lamina::bench {

inline void store_bfloat16(float value, std::byte* at) {
  const std::uint16_t bits = bfloat16_of(value);
  std::memcpy(at, &bits, sizeof bits);
}

/// Rows of one position in bfloat16, [slot][width].
class residual_walk {
 public:
  residual_walk(std::uint32_t slots, std::uint32_t width, std::uint32_t seed)
      : slots_(slots), random_(seed), scale_(width) {
    for (std::size_t c = 0; c < scale_.size(); ++c)
      scale_[c] =
          std::exp(0.3f * normal_(random_)) * (c % 509 == 5 ? 8.0f : 1.0f);
  }

  /// Calls put(slot, row) for every slot; `massive`: as a first token has them.
  template <class Put>
  void position(bool massive, Put put) {
    std::vector<float> residual(scale_.size());
    std::vector<std::byte> row(2 * scale_.size());
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
      for (std::size_t c = 0; c < scale_.size(); ++c) {
        residual[c] +=
            (slot == 0 ? 1.0f : 0.35f) * scale_[c] * normal_(random_);
        const bool large = massive && slot > 2 && c % 1021 == 5;
        store_bfloat16(residual[c] + (large ? 1500.0f : 0.0f),
                       row.data() + 2 * c);
      }
      put(slot, std::span<const std::byte>(row));
    }
  }

 private:
  std::uint32_t slots_;
  std::mt19937 random_;
  std::normal_distribution<float> normal_;
  std::vector<float> scale_;
};

}  // namespace lamina::bench

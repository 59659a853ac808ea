// What a lossy row really lost, computed in double from the definitions.
#pragma once

#include <cmath>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/codec.hpp"

namespace lamina {

inline std::vector<float> floats_of(const raw_chunk& chunk, std::uint32_t slot,
                                    std::uint32_t row) {
  std::vector<float> x(chunk.shape().width);
  widen_row(chunk.row(slot, row), chunk.shape().element, x);
  return x;
}

inline row_errors true_errors(std::span<const float> x,
                              std::span<const float> y) {
  double mean = 0;
  for (const float v : x)
    mean += std::abs(static_cast<double>(v));
  mean /= static_cast<double>(x.size());
  double error[2] = {};
  double size[2] = {};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int large = std::abs(x[i]) > ordinary_factor * mean * (1 + 1e-5);
    error[large] += std::pow(static_cast<double>(x[i]) - y[i], 2);
    size[large] += std::pow(static_cast<double>(x[i]), 2);
  }
  const auto share = [](double e, double s) {
    return static_cast<float>(e == 0 ? 0 : std::sqrt(e / s));
  };
  return {share(error[0] + error[1], size[0] + size[1]),
          share(error[0], size[0]), share(error[1], size[1])};
}

/// The worst of all rows of resid_post.
inline row_errors true_errors(const raw_chunk& was, const raw_chunk& is,
                              std::uint32_t rows) {
  row_errors worst;
  for (std::uint32_t layer = 0; layer < was.shape().layers; ++layer)
    for (std::uint32_t row = 0; row < rows; ++row)
      worst.include(true_errors(floats_of(was, 1 + layer, row),
                                floats_of(is, 1 + layer, row)));
  return worst;
}

}  // namespace lamina

#include "actors/model/kernels/quantise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace lamina {
namespace {

constexpr float largest = 127;

// To the nearest whole number, ties to even, of what is far below 2^22: there
// floats are whole numbers. std::nearbyint is a call for each weight.
float rounded(float x) {
  constexpr float shift = 0x1.8p23f;
  return x + shift - shift;
}

}  // namespace

double quantisation_error::relative() const {
  return squares == 0 ? 0 : std::sqrt(lost / squares);
}

float quantise_row(std::span<const float> weights, std::int8_t* to,
                   quantisation_error& error) {
  float reach = 0;
  double squares = 0, lost = 0;
  for (const float w : weights) {
    reach = std::max(reach, std::abs(w));
    squares += static_cast<double>(w) * w;
  }
  if (!std::isfinite(squares)) {
    std::fill_n(to, weights.size(), std::int8_t{0});
    error.add({squares, 0});
    return 0;
  }
  float scale = reach / largest;
  // A row of zeros, or of numbers so small that they may as well be.
  if (scale < std::numeric_limits<float>::min()) scale = 0;
  const float inverse = scale == 0 ? 0 : 1 / scale;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float q =
        rounded(std::clamp(weights[i] * inverse, -largest, largest));
    to[i] = static_cast<std::int8_t>(q);
    const float off = weights[i] - q * scale;
    lost += static_cast<double>(off) * off;
  }
  error.add({squares, lost});
  return scale;
}

void quantise_block(std::span<const float> rows, std::size_t columns,
                    std::int8_t* to, float* scales, quantisation_error& error) {
  std::fill_n(to, columns * block_rows, std::int8_t{0});
  std::fill_n(scales, block_rows, 0.0f);
  std::vector<std::int8_t> row(columns);
  for (std::size_t r = 0; r < rows.size() / columns; ++r) {
    scales[r] =
        quantise_row(rows.subspan(r * columns, columns), row.data(), error);
    for (std::size_t c = 0; c < columns; ++c)
      to[c * block_rows + r] = row[c];
  }
}

}  // namespace lamina

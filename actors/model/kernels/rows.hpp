// The forward pass's operations on rows of float32: norm, activation, adding,
// rounding. Stateless; any thread; the team shares them when there are many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "actors/model/kernels/matrix.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// Root mean square norm (Zhang and Sennrich 2019):
/// out[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * gain. All [rows][width].
void rms_norm(const float* x, std::uint32_t rows, std::span<const float> gain,
              float epsilon, float* out);

/// Layer norm (Ba et al. 2016):
/// out[r] = (x[r] - mean) / sqrt(variance + epsilon) * gain + bias.
/// x, out: [rows][width]; gain, bias: [width].
void layer_norm(const float* x, std::uint32_t rows, std::span<const float> gain,
                std::span<const float> bias, float epsilon, float* out);

/// x = gelu(x), in the tanh form of Hendrycks and Gimpel 2016 ("gelu_new").
/// [count].
void gelu_tanh(float* x, std::size_t count);

/// x[r] += bias. x: [rows][bias]. An empty bias adds nothing.
void add_bias(float* x, std::uint32_t rows, std::span<const float> bias);

/// gate = silu(gate) * up, the SwiGLU of Shazeer 2020. [count].
void silu_multiply(float* gate, const float* up, std::size_t count);

/// x += y. [count].
void add(float* x, const float* y, std::size_t count);

/// Rounds to the nearest value that `element` can hold, ties to even, so that
/// storing it as `element` loses nothing. float32: leaves it alone.
void round_to(dtype element, float* x, std::size_t count);

/// Stores as `element`, rounding like `round_to`. float32 or bfloat16.
void narrow_row(const float* x, std::size_t count, dtype element,
                std::byte* out);

/// Row r of a matrix, as it is multiplied. out: [m.columns]
void widen_row(const matrix& m, std::size_t r, std::span<float> out);

/// Rotates pairs (i, i + d/2) of each head (Su et al. 2021, the "rotate half"
/// layout of Hugging Face). x: [heads][2 * half]; cosines, sines: [half].
void rotate_half(float* x, std::uint32_t heads, std::uint32_t half,
                 const float* cosines, const float* sines);

}  // namespace lamina

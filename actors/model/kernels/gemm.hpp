// The large-matrix path of `linear`: libtorch's float32 matrix product.
#pragma once

#include <cstdint>

#include "actors/model/kernels/matrix.hpp"

namespace lamina {

/// out[r][o] = sum over c of x[r][c] * weight[o][c].
/// x: [rows][weight.columns]; out: [rows][weight.rows]. Any thread; widened
/// tiles live in a buffer of the calling thread. Throws what libtorch throws.
void gemm(const float* x, std::uint32_t rows, const matrix& weight, float* out);

}  // namespace lamina

// Matrix multiplication of the forward pass: the one place that decides how.
//
//   weights, input        CPU    rows       path
//   bfloat16, bfloat16    AMX    any        tiles, weights as stored
//                         BF16   any        dot products, weights as stored
//   int8, bfloat16        AMX    1 or 2     SIMD, weights streamed as stored
//                                more       tiles, widened on the way: the same
//                                           bits (int8_rows.hpp)
//   float32, bfloat16     512    any        SIMD, weights streamed as stored
//   any                   any    few        the same
//                                more       libtorch's float32 GEMM, others
//                                           widened piece by piece
//
// BF16: AVX512_BF16 where it pays, and no AMX. 512: AVX-512. Few:
// `simd_rows_max`. Why: docs/architecture.md, decisions. x is rounded as the
// weights say (matrix::input), on every path; products and sums are float32.
//
// Stateless; any thread. Uses as many threads as the caller's
// omp_get_max_threads() allows (see `thread_limit`).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "actors/model/kernels/matrix.hpp"
#include "actors/model/kernels/team.hpp"

namespace lamina {

/// One product of `linear`. out: [rows][weight.rows].
struct projection {
  matrix weight;
  float* out = nullptr;
};

/// out[r][o] = sum over c of x[r][c] * weight[o][c], for every projection.
/// x: [rows][columns]; all weights have the same columns, element and
/// input.
void linear(const float* x, std::uint32_t rows,
            std::span<const projection> projections);

enum class matmul : std::uint8_t {
  tiles,  // AMX
  dots,   // AVX512_BF16
  simd,
  gemm,  // libtorch
};

/// What `linear` does with so many rows and these weights.
matmul choose_matmul(std::uint32_t rows,
                     std::span<const projection> projections);

/// `linear`, by a path of the caller's choice, which must be able to: tiles
/// and dots where they are available and the weights fit. For tests and
/// benchmarks.
void linear_by(matmul path, const float* x, std::uint32_t rows,
               std::span<const projection> projections);

/// "bfloat16: AMX tiles; float32: SIMD AVX3", by inputs, for `lamina models`.
std::string matmul_path();

}  // namespace lamina

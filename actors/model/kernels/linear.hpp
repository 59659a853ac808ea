// Matrix multiplication of the forward pass: the one place that decides how.
//
// Few rows (decoding, the lens of a few positions) run through a SIMD kernel
// that streams the weights once for all rows; many rows (prefill) through
// libtorch's float32 GEMM, with bfloat16 weights widened tile by tile into a
// reused buffer. Weights stay as stored, arithmetic is float32 either way.
//
// Stateless; any thread. Uses as many OpenMP threads as the caller's
// omp_get_max_threads() allows (see `thread_limit`).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "actors/model/kernels/matrix.hpp"

namespace lamina {

/// One product of `linear`. out: [rows][weight.rows].
struct projection {
  matrix weight;
  float* out = nullptr;
};

/// out[r][o] = sum over c of x[r][c] * weight[o][c], for every projection.
/// x: [rows][columns]; all weights have the same number of columns.
void linear(const float* x, std::uint32_t rows,
            std::span<const projection> projections);

/// Up to this many rows take the SIMD kernel. Measured on AVX2, one core: at 24
/// rows it gives 60 (float32) to 73 GFLOP/s (bfloat16) and GEMM 50 to 60; at
/// 64 rows GEMM gives 70 and more.
inline constexpr std::uint32_t small_batch_rows_max = 32;

/// "rows <= 32: simd AVX2; more: libtorch sgemm", for `lamina models`.
std::string matmul_path();

/// Bounds the OpenMP threads of the calling thread for one scope.
class thread_limit {
 public:
  explicit thread_limit(int threads);
  ~thread_limit();
  thread_limit(const thread_limit&) = delete;
  thread_limit& operator=(const thread_limit&) = delete;

 private:
  int before_;
};

}  // namespace lamina

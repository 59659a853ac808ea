// The matrix product in SIMD registers: streams the weights once for all rows
// of x, as they are stored. Arithmetic is float32. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/model/kernels/matrix.hpp"

namespace lamina {

/// Rows of x in the order in which the kernel reads them: each row aligned and
/// padded; beside bfloat16 weights, the even and the odd columns of a stretch
/// apart, as a register of weights falls into halves.
struct simd_rows {
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::size_t stride = 0;     // floats
  std::vector<float> memory;  // grown and kept
  const float* row(std::size_t r) const { return begin + r * stride; }
  float* begin = nullptr;  // into memory
};

/// x: [rows][columns], to be multiplied with weights of `element`.
void pack_rows(simd_rows& to, const float* x, std::uint32_t rows,
               std::uint32_t columns, weight_type element);

/// Weights of float32 or bfloat16. Outputs `first` .. `last` - 1 of out
/// [x.rows][weight.rows]. A row gives the same bits alone and in a batch.
void simd_outputs(const simd_rows& x, const matrix& weight, std::uint32_t first,
                  std::uint32_t last, float* out);

/// Up to this many rows it is to be preferred to libtorch's GEMM. With 32
/// registers of 512 bits that is any number: two cores give 200 to 260 GFLOP/s,
/// and the GEMM 180 to 310, or 60 on a CPU that OpenBLAS does not know; and a
/// row has the same bits alone and in a prefill. With AVX2 one core gives 60 to
/// 73 against 50 to 60 at 24 rows, and less at 64. Weights of eight bits are
/// widened once for the GEMM and for each few rows here.
std::uint32_t simd_rows_max(weight_type element);

/// The instruction set that was chosen, "AVX2".
const char* simd_target();

}  // namespace lamina

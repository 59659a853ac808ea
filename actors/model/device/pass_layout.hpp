// Where everything of one pass is, as tensors of indices on the device: made
// once a step, used by every layer.
//
// Attention works on groups of rows that are of one shape: the single rows of
// decoding sequences with about as many pages, or a stretch of one prefill. A
// group gathers the pages it may see, keys and values of one layer, in the
// compute type. Heads of queries that share keys are rows of one product, so
// that keys are not repeated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "actors/model/device/page_pool.hpp"
#include "actors/model/kernels/attention.hpp"

namespace lamina {

/// b sequences, r rows of each, t positions (whole pages).
struct attention_group {
  std::int64_t sequences = 0;
  std::int64_t rows_each = 0;
  at::Tensor rows;     // [b * r], of the step
  at::Tensor blocks;   // [b * kv_heads * pages], relative to a layer's first
  at::Tensor visible;  // [b][1][heads / kv_heads * r][t], whether it may look
};

struct pass_layout {
  at::Tensor tokens;     // [n]
  at::Tensor positions;  // [n]
  at::Tensor cosines;    // [n][1][head_dim / 2]; undefined: no rotation
  at::Tensor sines;
  at::Tensor key_rows;  // [n * kv_heads], relative to a layer's first
  std::vector<attention_group> groups;
};

pass_layout lay_out(std::span<const token_id> tokens,
                    std::span<const step_span> spans, const page_pool& pool,
                    std::uint32_t heads, std::span<const float> frequencies,
                    c10::Device device);

}  // namespace lamina

// Causal grouped-query attention of many sequences at once, over their KV
// caches. Each sequence attends to itself only.
//
// Works through the keys page by page with a running maximum and sum (the
// online softmax of Milakov and Gimelshein 2018), so that memory does not
// grow with the context. One code path serves prefill and decoding. Called
// from the engine's thread; the team works on heads and blocks of queries.
#pragma once

#include <cstdint>
#include <span>

#include "actors/model/kv_cache.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// The new positions of one sequence in a step: rows `first_row` onwards of
/// the step are positions `first` .. `first + count - 1` of the sequence,
/// which the cache already holds.
struct step_span {
  kv_cache* cache = nullptr;
  position_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t first_row = 0;
};

/// queries, out: [rows of the step][heads][head_dim]. Query head h reads
/// key-value head h / (heads / kv_heads). Scores are scaled by
/// 1 / sqrt(head_dim).
void attend(std::span<const step_span> spans, std::uint32_t layer,
            std::uint32_t heads, const float* queries, float* out);

}  // namespace lamina

// A decoder put together from parts: embedding, layers of attention and feed
// forward with a norm before each, final norm, head. What sets the families
// apart is in the parts' values (kind of norm, biases, gate, rotary or
// learned positions), which a family fills in while it loads.
//
// The forward pass over them stands in decoder.cpp, once, top to bottom.
// Immutable after loading.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "actors/model/arch/architecture.hpp"
#include "actors/model/arch/family.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "actors/model/kernels/matrix.hpp"

namespace lamina {

enum class norm_kind : std::uint8_t {
  root_mean_square,   // no bias
  mean_and_variance,  // LayerNorm
};

struct norm_part {
  norm_kind kind = norm_kind::root_mean_square;
  float epsilon = 0;
  std::vector<float> gain;  // [width]
  std::vector<float> bias;  // [width]; mean_and_variance only
};

struct linear_part {
  matrix weight;            // [out][in]
  std::vector<float> bias;  // [out]; empty: none
};

/// out attend(rotate(query x), rotate(key x), value x), x = norm(residual)
struct attention_part {
  norm_part norm;
  linear_part query;       // [heads * head_dim][width]
  linear_part key, value;  // [kv_heads * head_dim][width]
  linear_part out;         // [width][heads * head_dim]
};

/// down (silu(gate x) * up x), the SwiGLU of Shazeer 2020, or without a gate
/// down gelu(up x); x = norm(residual)
struct feed_forward_part {
  norm_part norm;
  linear_part gate;  // [feed_forward][width]; no rows: none
  linear_part up;    // [feed_forward][width]
  linear_part down;  // [width][feed_forward]
};

struct decoder_layer {
  attention_part attention;
  feed_forward_part feed_forward;
};

struct decoder_parts {
  std::shared_ptr<const weight_memory> memory;  // what matrices point into
  matrix embedding;                             // [vocabulary][width]
  matrix positions;  // [context_length][width], added; no rows: none
  std::vector<float> inverse_frequencies;  // [head_dim / 2]; empty: no rotation
  std::vector<decoder_layer> layers;
  norm_part final_norm;
  matrix head;  // [vocabulary][width]
};

/// Of parts that were taken from `weights`, which must then have no tensor
/// left.
result<std::unique_ptr<const architecture>> make_decoder(
    const model_shape& shape, const weights_reader& weights,
    decoder_parts parts);

}  // namespace lamina

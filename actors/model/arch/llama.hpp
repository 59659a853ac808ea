// The llama family (Touvron et al. 2023; Hugging Face LlamaForCausalLM):
// RMS norm before each half of a layer, grouped-query attention with rotary
// positions, SwiGLU, head tied to the embedding or not.
#pragma once

#include <memory>

#include "actors/model/arch/architecture.hpp"
#include "actors/model/checkpoint/config.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Takes the family's tensors out of `weights`; their shapes must fit the
/// configuration. The result keeps the checkpoint alive.
result<std::unique_ptr<const architecture>> make_llama(
    const llama_config& config, weights_reader& weights);

}  // namespace lamina

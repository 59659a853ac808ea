// The llama family (Touvron et al. 2023; Hugging Face LlamaForCausalLM):
// RMS norm before each half of a layer, grouped-query attention with rotary
// positions, SwiGLU, head tied to the embedding or not.
#pragma once

#include "actors/model/arch/family.hpp"

namespace lamina {

/// The family's outline; family.cpp has checked what all families share.
result<model_outline> read_llama(const nlohmann::json& config);

}  // namespace lamina

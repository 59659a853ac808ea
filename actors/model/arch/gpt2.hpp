// The GPT-2 family (Radford et al. 2019; Hugging Face GPT2LMHeadModel):
// LayerNorm before each half of a layer, learned positions added to the
// embedding, biases everywhere, a feed forward of gelu, head tied to the
// embedding. Its matrices are stored input by output (Conv1D), query, key and
// value in one: the loader turns them round.
#pragma once

#include "actors/model/arch/family.hpp"

namespace lamina {

/// The family's outline; family.cpp has checked what all families share.
result<model_outline> read_gpt2(const nlohmann::json& config);

}  // namespace lamina

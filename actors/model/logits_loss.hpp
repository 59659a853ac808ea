// What quantised weights cost in what a model says: the same text, read with
// the weights as they are stored. Internal to actors/model.
#pragma once

#include <optional>

#include "actors/model/arch/architecture.hpp"
#include "actors/model/model_directory.hpp"
#include "actors/model/model_plan.hpp"

namespace lamina {

/// As quantisation_loss::logits. `layers` are the directory's, quantised; plan:
/// theirs. None when memory does not hold the weights as stored beside them, or
/// the tokenizer makes nothing of the text. Throws what a forward pass throws.
std::optional<double> logits_loss(const architecture& layers,
                                  const model_directory& opened,
                                  const model_plan& plan);

}  // namespace lamina

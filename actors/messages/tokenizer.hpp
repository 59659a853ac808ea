// Messages of the tokenizer.
#pragma once

#include <memory>

#include "actors/messages/message.hpp"
#include "actors/messages/turn.hpp"
#include "actors/model/model.hpp"

namespace lamina {

/// What a turn's prompt is in token ids.
struct encode_prompt {
  model_ptr model;
  std::shared_ptr<const turn_options> options;
  bool begins_text = false;  // with what the model puts in front of a text
};

}  // namespace lamina

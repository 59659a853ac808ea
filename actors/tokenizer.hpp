// The tokenizer actor: turns prompts into token ids on a thread of its own,
// because a megabyte of text takes the better part of a second.
#pragma once

#include <caf/stateful_actor.hpp>
#include <cstddef>

#include "actors/interfaces.hpp"
#include "actors/messages/tokenizer.hpp"

namespace lamina {

struct tokenizer_state {
  using pointer = tokenizer_actor::stateful_pointer<tokenizer_state>;
  explicit tokenizer_state(pointer) {}
  static inline const char* name = "tokenizer";
};

/// Longer prompts are refused: limit_exceeded.
tokenizer_actor::behavior_type prompt_tokenizer(tokenizer_state::pointer self,
                                                std::size_t prompt_bytes_max);

}  // namespace lamina

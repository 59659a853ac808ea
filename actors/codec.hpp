// The codec actors: encode rows for the store, decode values for readers. Each
// has its own thread at low priority; all state is in the messages.
#pragma once

#include <caf/stateful_actor.hpp>

#include "actors/codec/codec.hpp"
#include "actors/interfaces.hpp"

namespace lamina {

struct codec_state {
  using pointer = codec_actor::stateful_pointer<codec_state>;
  explicit codec_state(pointer) {}
  static inline const char* name = "codec";
};

codec_actor::behavior_type codec(codec_state::pointer self);

}  // namespace lamina

// The codec actors: encode rows for the store, and, as others of their kind,
// decode values for readers. Each has a thread of its own, of low priority for
// those that encode; all state but the counts is in the messages.
#pragma once

#include <caf/stateful_actor.hpp>

#include "actors/codec/codec.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/codec.hpp"

namespace lamina {

struct codec_state {
  using pointer = codec_actor::stateful_pointer<codec_state>;
  explicit codec_state(pointer) {}
  rows_encoded encode(const encode_rows& m);

  static inline const char* name = "codec";
  codec_status status;
};

codec_actor::behavior_type codec(codec_state::pointer self);

}  // namespace lamina

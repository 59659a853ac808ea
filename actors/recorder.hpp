// The recorder: counts what requests came to, for the metrics.
#pragma once

#include <caf/stateful_actor.hpp>

#include "actors/interfaces.hpp"

namespace lamina {

struct recorder_state {
  using pointer = recorder_actor::stateful_pointer<recorder_state>;
  explicit recorder_state(pointer actor) : self(actor) {}

  static inline const char* name = "recorder";
  pointer self;
  request_statistics counted;
};

recorder_actor::behavior_type recorder(recorder_state::pointer self);

}  // namespace lamina

// A meter: measures for one `bench codec` what the codec does to given rows,
// one quality a message. Own thread, which runs when a core would idle: the
// rates are of processor time, and nobody else waits for it.
#pragma once

#include <caf/stateful_actor.hpp>

#include "actors/interfaces.hpp"
#include "actors/messages/meter.hpp"

namespace lamina {

struct meter_state {
  using pointer = meter_actor::stateful_pointer<meter_state>;
  explicit meter_state(pointer) {}
  static inline const char* name = "meter";
};

meter_actor::behavior_type meter(meter_state::pointer self);

}  // namespace lamina

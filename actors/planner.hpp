// A planner: reads what a model's directory says for one PlanModel. Own
// thread: a large tokenizer takes a second.
#pragma once

#include <caf/stateful_actor.hpp>

#include "actors/interfaces.hpp"

namespace lamina {

struct planner_state {
  using pointer = planner_actor::stateful_pointer<planner_state>;
  explicit planner_state(pointer) {}
  static inline const char* name = "planner";
};

planner_actor::behavior_type planner(planner_state::pointer self);

}  // namespace lamina

// The prefetch actor: after a click on a position, its neighbours are read into
// the memory tier, so that the next click finds them there.
#pragma once

#include <caf/stateful_actor.hpp>

#include "actors/interfaces.hpp"
#include "actors/messages/catalog.hpp"
#include "actors/messages/prefetch.hpp"
#include "actors/view.hpp"

namespace lamina {

struct prefetch_options {
  bool enabled = true;
  position_t range = 5;  // positions to either side
};

struct prefetch_state {
  using pointer = prefetch_actor::stateful_pointer<prefetch_state>;
  explicit prefetch_state(pointer actor) : self(actor) {}

  void warm(const warm_neighbours& m);
  void warm_chunks(const positions_located& located, bool activations);

  static inline const char* name = "prefetch";
  pointer self;
  prefetch_options options;
  view_ptr view;
};

prefetch_actor::behavior_type prefetch(prefetch_state::pointer self,
                                       prefetch_options options, view_ptr view);

}  // namespace lamina

// Messages of the prefetch actor.
#pragma once

#include <cstdint>

#include "actors/messages/message.hpp"
#include "actors/principal.hpp"
#include "actors/store/records.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// A position was clicked: its neighbours will be.
struct warm_neighbours {
  principal who;
  conversation_id conversation = 0;
  position_t position = 0;
  bool activations = false;  // else lens records
};

}  // namespace lamina

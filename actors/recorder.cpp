#include "actors/recorder.hpp"

#include <caf/all.hpp>

namespace lamina {

recorder_actor::behavior_type recorder(recorder_state::pointer self) {
  auto& state = self->state;
  return {
      [&state](const request_ended& m) {
        state.counted.add(m.type, m.failed, m.took_us);
      },
      [&state](const get_request_statistics&) { return state.counted; },
  };
}

}  // namespace lamina

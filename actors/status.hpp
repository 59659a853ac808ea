// Gathers the status document from all actors: what `lamina status --json`
// prints and what tests assert on. An actor that does not answer within a
// second is reported as silent; the rest still answers.
#pragma once

#include <caf/typed_response_promise.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"

namespace lamina {

/// What the supervisor itself knows.
struct status_basis {
  view_ptr view;
  struct part {
    std::string name;
    std::string health;
    std::uint32_t deaths = 0;
  };
  std::vector<part> parts;
  double uptime_s = 0;
  std::uint32_t connections = 0;
  std::uint64_t damages = 0;
  std::string blas;
};

/// Spawns the collector; it delivers the JSON text and ends.
void collect_status(caf::actor_system& sys, status_basis basis,
                    caf::typed_response_promise<std::string> reply);

}  // namespace lamina

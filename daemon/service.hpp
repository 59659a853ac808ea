// The running daemon: listener, actors and signals, from the first socket to
// the last frame. One object, on the main thread.
#pragma once

#include <cstdint>

#include "daemon/configuration.hpp"

namespace lamina {

/// Runs until a signal asks to stop; the exit status. `given` is read again on
/// SIGHUP.
int run_service(const configuration_options& given, configuration c,
                std::uint64_t fault_after_steps);

}  // namespace lamina

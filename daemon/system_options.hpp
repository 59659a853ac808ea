// What the configuration means for the actors. Pure.
#pragma once

#include <cstdint>
#include <memory>

#include "actors/supervisor.hpp"
#include "daemon/configuration.hpp"

namespace lamina {

/// `fault_after_steps`: for tests of supervision; 0: none.
system_options system_options_of(const configuration& c,
                                 std::uint64_t fault_after_steps,
                                 std::shared_ptr<store> environment);

/// What a reload changes.
tunables tunables_of(const configuration& c);

}  // namespace lamina

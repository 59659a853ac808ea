// Reading LMDB's map without dying of it.
//
// A file that was cut short while it is mapped, or a disk that fails to
// deliver a page, raises SIGBUS in whoever touches that page. `guarded` runs a
// step in which this ends the step instead of the process. The step must be
// plain C in spirit: calls of LMDB and copies into memory that exists already.
// It is left by a jump, so no destructor and no catch may lie inside it.
//
// Any thread; guards of different threads do not know of each other.
#pragma once

#include <type_traits>

namespace lamina {

/// Once per process; what handled SIGBUS before still gets every fault that is
/// not ours.
void install_bus_error_handler();

/// False: the step met a bus error and did not finish.
bool run_guarded(void (*step)(void*), void* argument);

template <class Step>
bool guarded(Step step) {
  static_assert(std::is_trivially_destructible_v<Step>);
  return run_guarded([](void* s) { (*static_cast<Step*>(s))(); }, &step);
}

}  // namespace lamina

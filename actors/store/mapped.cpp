#include "actors/store/mapped.hpp"

#include <setjmp.h>
#include <signal.h>

namespace lamina {
namespace {

thread_local sigjmp_buf* way_out = nullptr;
struct sigaction handled_before {};

void on_bus_error(int signal, siginfo_t* fault, void* context) {
  if (way_out != nullptr) siglongjmp(*way_out, 1);
  if ((handled_before.sa_flags & SA_SIGINFO) != 0) {
    handled_before.sa_sigaction(signal, fault, context);
  } else if (handled_before.sa_handler != SIG_DFL &&
             handled_before.sa_handler != SIG_IGN) {
    handled_before.sa_handler(signal);
  } else {
    // The instruction faults again, now for good.
    ::signal(SIGBUS, SIG_DFL);
  }
}

bool install() {
  struct sigaction ours {};
  ours.sa_sigaction = on_bus_error;
  sigemptyset(&ours.sa_mask);
  // Not blocked while handled: then no mask has to be saved and restored, two
  // system calls that every read would pay for.
  ours.sa_flags = SA_SIGINFO | SA_NODEFER;
  return ::sigaction(SIGBUS, &ours, &handled_before) == 0;
}

}  // namespace

void install_bus_error_handler() {
  [[maybe_unused]] static const bool installed = install();
}

bool run_guarded(void (*step)(void*), void* argument) {
  sigjmp_buf here;
  sigjmp_buf* const outer = way_out;
  if (sigsetjmp(here, 0) != 0) {
    way_out = outer;
    return false;
  }
  way_out = &here;
  step(argument);
  way_out = outer;
  return true;
}

}  // namespace lamina

#include "client/cli/interrupt.hpp"

#include <cerrno>

namespace lamina::cli {
namespace {

// All that a signal handler may touch: lock-free atomics and cancel_running,
// which is a write to an eventfd.
std::atomic<client*> running{nullptr};
std::atomic<bool> interrupted{false};
static_assert(std::atomic<client*>::is_always_lock_free);

void cancel_running(int) {
  const int kept = errno;
  interrupted = true;
  if (client* asked = running.load()) asked->cancel_running();
  errno = kept;
}

}  // namespace

cancel_on_interrupt::cancel_on_interrupt(client& asked) {
  interrupted = false;
  running = &asked;
  struct sigaction action {};
  action.sa_handler = cancel_running;
  // The handler serves once; the next signal finds the default and ends us.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, &before_int_);
  ::sigaction(SIGTERM, &action, &before_term_);
}

cancel_on_interrupt::~cancel_on_interrupt() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
  running = nullptr;
}

const std::atomic<bool>& cancel_on_interrupt::flag() const {
  return interrupted;
}

}  // namespace lamina::cli

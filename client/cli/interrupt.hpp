// Ctrl-C while an answer streams: the first asks the daemon to end it, the
// second ends this process. Main thread; one at a time.
#pragma once

#include <atomic>
#include <csignal>

#include "client/cpp/client.hpp"

namespace lamina::cli {

/// While it lives, SIGINT and SIGTERM cancel what `asked` runs; then what was
/// before comes back. `asked` must outlive it.
class cancel_on_interrupt {
 public:
  explicit cancel_on_interrupt(client& asked);
  ~cancel_on_interrupt();
  cancel_on_interrupt(const cancel_on_interrupt&) = delete;
  cancel_on_interrupt& operator=(const cancel_on_interrupt&) = delete;

  bool happened() const { return flag(); }
  /// True once it happened; for other threads.
  const std::atomic<bool>& flag() const;

 private:
  struct sigaction before_int_ {};
  struct sigaction before_term_ {};
};

}  // namespace lamina::cli

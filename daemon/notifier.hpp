// What systemd is told: that the daemon starts, works, and stops. Without
// systemd nothing happens. Lives on the sockets' thread, but for `patience`.
#pragma once

#include <utility>

#include <boost/asio.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "actors/interfaces.hpp"
#include "daemon/watchdog.hpp"

namespace lamina {

/// While it lives, systemd is asked for more time to start or to stop, from a
/// thread of its own: whoever makes it is busy.
class patience_request {
 public:
  explicit patience_request(const char* status);
  ~patience_request();

 private:
  std::mutex mutex_;  // only to sleep until the end
  std::condition_variable over_;
  bool ended_ = false;
  std::thread asking_;
};

/// Feeds the watchdog, if there is one, while the daemon works. An answer that
/// comes after its end is for nobody.
class watchdog_feeder {
 public:
  watchdog_feeder(boost::asio::io_context& io, caf::actor_system& sys,
                  supervisor_actor supervisor);

 private:
  void wait();
  void ask();
  void judge(const std::string& status);

  boost::asio::io_context& io_;
  caf::actor_system& sys_;
  supervisor_actor supervisor_;
  boost::asio::steady_timer timer_;
  std::chrono::microseconds every_{0};
  watchdog judge_;
  std::shared_ptr<watchdog_feeder*> self_;  // outlived by weak ones
};

}  // namespace lamina

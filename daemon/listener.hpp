// The listener: accepts connections on a Unix socket and gives each a session.
//
// Runs on one Asio thread together with all connections: sockets only, nothing
// that computes. The peer's uid comes from the kernel (SO_PEERCRED).
#pragma once

#include <utility>

#include <boost/asio.hpp>
#include <filesystem>
#include <memory>

#include "actors/interfaces.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct listener_options {
  std::filesystem::path socket_path;
  unsigned socket_mode = 0600;
};

class listener {
 public:
  /// Binds the socket. A stale file of a dead daemon is replaced; a living
  /// one's is not: unavailable. io_error otherwise. Who connects waits.
  static result<std::unique_ptr<listener>> open(boost::asio::io_context& io,
                                                listener_options options);

  virtual ~listener() = default;

  /// Gives a session to each that connects. The listener must go before `sys`.
  virtual void serve(caf::actor_system& sys, supervisor_actor supervisor) = 0;

  /// No more connections; the socket file goes.
  virtual void stop() = 0;
};

}  // namespace lamina

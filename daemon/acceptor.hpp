// One address that the daemon listens on: a Unix socket, TCP or TLS, made by
// the daemon or handed over by systemd. Used on the listener's thread only.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "actors/principal.hpp"
#include "daemon/byte_stream.hpp"
#include "protocol/endpoint.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Who came in, as far as the kernel knows.
struct accepted {
  byte_stream::socket socket;
  std::string address;  // over TCP; an IPv6 one as its /64. Else empty
  principal user;       // of a Unix socket
};

class acceptor {
 public:
  /// Binds and listens. A stale socket file of a dead daemon is replaced; a
  /// living one's is not: unavailable. invalid_argument: no such address;
  /// io_error otherwise. `mode` is the socket file's.
  static result<std::unique_ptr<acceptor>> open(boost::asio::io_context& io,
                                                const endpoint& address,
                                                unsigned mode);

  /// Takes over a socket that listens; its file is somebody else's.
  static result<std::unique_ptr<acceptor>> adopt(boost::asio::io_context& io,
                                                 int socket);

  virtual ~acceptor() = default;

  virtual boost::asio::awaitable<result<accepted>> accept() = 0;
  virtual bool is_open() const = 0;

  /// accept() fails from now on; the socket file goes.
  virtual void close() = 0;

  /// For the log.
  virtual std::string name() const = 0;
  virtual bool speaks_tls() const = 0;
};

}  // namespace lamina

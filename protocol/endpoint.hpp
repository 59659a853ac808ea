// Where a daemon listens and a client connects: "unix:PATH",
// "tcp://HOST:PORT" or "tls://HOST:PORT". Both sides use the same words and the
// same default. Pure but for the one function that reads the environment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace lamina {

struct endpoint {
  enum class transport : std::uint8_t { unix_socket, tcp, tls };

  transport kind = transport::unix_socket;
  std::string path;        // unix_socket
  std::string host;        // tcp, tls; without the brackets of an IPv6 address
  std::uint16_t port = 0;  // tcp, tls

  friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// invalid_argument for anything else, an empty path, one that does not fit a
/// socket address (107 bytes), or a port outside 1..65535.
result<endpoint> parse_endpoint(std::string_view address);

/// True when only this machine can reach it: a Unix socket, or a host that is
/// localhost, 127.x.x.x or ::1.
bool is_local(const endpoint& address);

/// The form that parse_endpoint reads.
std::string to_string(const endpoint& address);

/// The socket in the user's state directory: unix:STATE/lamina/lamina.sock when
/// a state home is given, else unix:HOME/.local/state/lamina/lamina.sock; null
/// and empty mean not given. invalid_argument when neither is, or the path does
/// not fit.
result<endpoint> default_endpoint(const char* state_home, const char* home);

/// The same from XDG_STATE_HOME and HOME. Reads the environment: call it before
/// other threads might change that.
result<endpoint> default_endpoint();

}  // namespace lamina

// Where a daemon listens and a client connects: "unix:PATH" or
// "tcp://HOST:PORT". Both sides use the same words and the same default. Pure
// but for the one function that reads the environment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace lamina {

struct endpoint {
  enum class transport : std::uint8_t { unix_socket, tcp };

  transport kind = transport::unix_socket;
  std::string path;        // unix_socket
  std::string host;        // tcp; without the brackets of an IPv6 address
  std::uint16_t port = 0;  // tcp

  friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// invalid_argument for anything else, an empty path, one that does not fit a
/// socket address (107 bytes), or a port outside 1..65535.
result<endpoint> parse_endpoint(std::string_view address);

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

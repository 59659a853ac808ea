#include "protocol/endpoint.hpp"

#include <sys/un.h>

#include <charconv>
#include <cstdlib>

namespace lamina {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view tcp_prefix = "tcp://";
constexpr std::string_view tls_prefix = "tls://";
constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;

auto refuse(std::string_view address, std::string_view reason) {
  return fail(
      error_code::invalid_argument,
      "endpoint '" + std::string(address) + "': " + std::string(reason));
}

result<endpoint> parse_unix(std::string_view address) {
  endpoint parsed;
  parsed.path = address.substr(unix_prefix.size());
  if (parsed.path.empty()) return refuse(address, "the path is empty");
  if (parsed.path.size() > path_bytes_max)
    return refuse(address, "the path is longer than the " +
                               std::to_string(path_bytes_max) +
                               " bytes a Unix socket allows");
  return parsed;
}

/// Both have prefixes of one length.
result<endpoint> parse_tcp(std::string_view address, endpoint::transport kind) {
  const std::string_view rest = address.substr(tcp_prefix.size());
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return refuse(
        address, "expected " + std::string(address.substr(0, 6)) + "HOST:PORT");
  std::string_view host = rest.substr(0, colon);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']')
      return refuse(address, "expected [ADDRESS]:PORT");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse(address, "an IPv6 address belongs in brackets");
  }
  const std::string_view digits = rest.substr(colon + 1);
  endpoint parsed;
  parsed.kind = kind;
  parsed.host = host;
  const auto [end, problem] = std::from_chars(
      digits.data(), digits.data() + digits.size(), parsed.port);
  if (problem != std::errc{} || end != digits.data() + digits.size() ||
      parsed.port == 0)
    return refuse(address, "the port must be a number from 1 to 65535");
  return parsed;
}

bool given(const char* value) {
  return value != nullptr && *value != '\0';
}

}  // namespace

result<endpoint> parse_endpoint(std::string_view address) {
  if (address.starts_with(unix_prefix)) return parse_unix(address);
  if (address.starts_with(tcp_prefix))
    return parse_tcp(address, endpoint::transport::tcp);
  if (address.starts_with(tls_prefix))
    return parse_tcp(address, endpoint::transport::tls);
  return refuse(address,
                "expected unix:PATH, tcp://HOST:PORT or tls://HOST:PORT");
}

bool is_local(const endpoint& address) {
  return address.kind == endpoint::transport::unix_socket ||
         address.host == "localhost" || address.host == "::1" ||
         address.host.starts_with("127.");
}

std::string to_string(const endpoint& address) {
  if (address.kind == endpoint::transport::unix_socket)
    return std::string(unix_prefix) + address.path;
  const bool v6 = address.host.find(':') != std::string::npos;
  return std::string(address.kind == endpoint::transport::tls ? tls_prefix
                                                              : tcp_prefix) +
         (v6 ? "[" : "") + address.host + (v6 ? "]:" : ":") +
         std::to_string(address.port);
}

result<endpoint> default_endpoint(const char* state_home, const char* home) {
  if (given(state_home))
    return parse_endpoint("unix:" + std::string(state_home) +
                          "/lamina/lamina.sock");
  if (given(home))
    return parse_endpoint("unix:" + std::string(home) +
                          "/.local/state/lamina/lamina.sock");
  return fail(error_code::invalid_argument,
              "no endpoint: neither XDG_STATE_HOME nor HOME is set");
}

result<endpoint> default_endpoint() {
  return default_endpoint(std::getenv("XDG_STATE_HOME"), std::getenv("HOME"));
}

}  // namespace lamina

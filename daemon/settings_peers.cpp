// Where the daemon listens, who may connect, and what each may have.
#include <algorithm>

#include "daemon/setting_kinds.hpp"
#include "protocol/endpoint.hpp"

namespace lamina {

using namespace kinds;

namespace {

result<std::vector<std::string>> read_addresses(const yaml_value& v) {
  const char* expected = "an address, or a list of addresses";
  std::vector<std::string> addresses;
  auto add = [&](const yaml_value& one) -> result<void> {
    BOOST_OUTCOME_TRY(text, one.text("an address"));
    if (auto parsed = parse_endpoint(text); !parsed)
      return one.refusal(parsed.error().context);
    if (std::count(addresses.begin(), addresses.end(), text) != 0)
      return one.refusal("'" + text + "' is listed twice");
    addresses.push_back(std::move(text));
    return success();
  };
  if (!v.node().IsSequence()) {
    BOOST_OUTCOME_TRYV(add(v));
    return addresses;
  }
  for (const auto& item : v.node()) {
    BOOST_OUTCOME_TRYV(add(v.at(item)));
  }
  if (addresses.empty())
    return v.refusal("an empty list is not " + std::string(expected));
  return addresses;
}

/// "0660": which rights the file of a Unix socket has.
result<uint32_t> read_mode(const yaml_value& v) {
  BOOST_OUTCOME_TRY(text, v.text("0600, 0660 or 0666"));
  if (text == "0600") return uint32_t{0600};
  if (text == "0660") return uint32_t{0660};
  if (text == "0666") return uint32_t{0666};
  return v.refusal("'" + text + "' is not 0600, 0660 or 0666");
}

json show_mode(const uint32_t& mode) {
  return mode == 0600 ? "0600" : mode == 0660 ? "0660" : "0666";
}

}  // namespace

std::vector<setting> peer_settings() {
  using c = configuration;
  const std::string seconds = "seconds up to 86400, or 0 for no limit";
  return {
      of<std::vector<std::string>>("listen", "an address, or a list of them",
                                   &c::listen, at_start, read_addresses),
      of<uint32_t>("socket_mode", "0600, 0660 or 0666", &c::socket_mode,
                   at_start, read_mode, show_mode),
      flag("allow_plain_tcp", &c::allow_plain_tcp, at_start),
      path("tls.certificate", "a file", &c::tls_certificate, live),
      path("tls.key", "a file", &c::tls_key, live),
      path("tokens", "a file", &c::tokens_file, live),
      whole("limits.connections", "a number up to 10000", &c::connections_max,
            10'000, live),
      whole("limits.tcp_connections", "a number up to 10000",
            &c::tcp_connections_max, 10'000, live),
      whole("limits.connections_per_address", "a number up to 10000",
            &c::connections_per_address_max, 10'000, live),
      whole("limits.handshake_seconds", seconds, &c::handshake_seconds, 86'400,
            live),
      whole("limits.frame_seconds", seconds, &c::frame_seconds, 86'400, live),
      whole("limits.idle_minutes", "minutes up to 86400, or 0 for no limit",
            &c::idle_minutes, 86'400, live),
      whole("limits.stalled_seconds", seconds, &c::stalled_seconds, 86'400,
            live),
      whole("owners.max_conversations", "a number, or 0 for no limit",
            &c::owner_conversations_max, 1'000'000'000'000, live),
      whole("owners.max_tokens", "a number, or 0 for no limit",
            &c::owner_tokens_max, 1'000'000'000'000, live),
      whole("owners.max_turns", "a number up to 1000, or 0 for no limit",
            &c::owner_turns_max, 1'000, live),
  };
}

}  // namespace lamina

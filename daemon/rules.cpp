#include "daemon/rules.hpp"

#include <systemd/sd-daemon.h>

#include "daemon/tls.hpp"

namespace lamina {

using std::chrono::minutes;
using std::chrono::seconds;

result<listener_rules> listener_rules_of(const configuration& c) {
  listener_rules rules;
  rules.admits = {c.connections_max, c.tcp_connections_max,
                  c.connections_per_address_max};
  // A user may stop a pager, or a notebook rest, for as long as they like.
  rules.over_unix.handshake = seconds(c.handshake_seconds);
  rules.over_tcp = {seconds(c.handshake_seconds), seconds(c.frame_seconds),
                    minutes(c.idle_minutes), seconds(c.stalled_seconds)};
  BOOST_OUTCOME_TRY(tokens, token_table::read(c.tokens_file));
  rules.tokens = std::move(tokens);
  if (!c.tls_certificate.empty()) {
    BOOST_OUTCOME_TRY(context, make_tls_context(c.tls_certificate, c.tls_key));
    rules.tls = std::move(context);
  }
  return rules;
}

result<std::vector<std::unique_ptr<acceptor>>> open_addresses(
    boost::asio::io_context& io, const configuration& c) {
  std::vector<std::unique_ptr<acceptor>> all;
  const int handed_over = sd_listen_fds(1);
  for (int i = 0; i < handed_over; ++i) {
    BOOST_OUTCOME_TRY(taken, acceptor::adopt(io, SD_LISTEN_FDS_START + i));
    all.push_back(std::move(taken));
  }
  for (const auto& text : c.listen) {
    BOOST_OUTCOME_TRY(address, parse_endpoint(text));
    const bool local = address.kind == endpoint::transport::unix_socket;
    if (local && handed_over > 0) continue;
    BOOST_OUTCOME_TRY(opened, acceptor::open(io, address, c.socket_mode));
    all.push_back(std::move(opened));
  }
  return all;
}

}  // namespace lamina

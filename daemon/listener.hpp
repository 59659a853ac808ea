// The listener: accepts connections on all addresses and gives each that says
// hello a session.
//
// Runs on one Asio thread together with all connections: sockets only, nothing
// that computes. Over a Unix socket a peer is who the kernel says; over TCP,
// the bearer of a token.
#pragma once

#include <memory>
#include <vector>

#include "daemon/acceptor.hpp"
#include "daemon/admission.hpp"
#include "daemon/connection.hpp"
#include "daemon/tokens.hpp"

namespace lamina {

/// What a reload may change; for connections that come after it.
struct listener_rules {
  admission_limits admits;
  patience over_unix;
  patience over_tcp;
  token_table tokens;
  byte_stream::tls_context tls;  // null: no address speaks it
};

class listener {
 public:
  /// Takes addresses that listen already; who connects waits.
  listener(boost::asio::io_context& io,
           std::vector<std::unique_ptr<acceptor>> addresses,
           listener_rules rules);
  ~listener();

  /// Gives a session to each that connects. The listener must go before `sys`.
  void serve(caf::actor_system& sys, supervisor_actor supervisor);

  /// On the listener's thread.
  void change(listener_rules rules);

  /// No more connections; the socket files go.
  void stop();

 private:
  class door;
  friend class door;

  boost::asio::awaitable<void> accept(acceptor& at);
  void admit(acceptor& at, accepted peer);
  void count();

  boost::asio::io_context& io_;
  std::vector<std::unique_ptr<acceptor>> addresses_;
  listener_rules rules_;
  admission admission_;
  caf::actor_system* sys_ = nullptr;
  supervisor_actor supervisor_;
};

}  // namespace lamina

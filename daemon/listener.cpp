#include "daemon/listener.hpp"

#include <spdlog/spdlog.h>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/spawn.hpp"
#include "protocol/frame.hpp"

namespace lamina {

namespace asio = boost::asio;

/// Of one connection.
class listener::door final : public doorkeeper {
 public:
  door(listener& of, std::string address, principal user)
      : of_(of), address_(std::move(address)), user_(std::move(user)) {}

  result<principal> recognise(const wire::HelloT& hello) override {
    if (address_.empty()) return user_;
    const auto now = std::chrono::steady_clock::now();
    if (auto refused = of_.admission_.may_say_hello(address_, now))
      return *refused;
    if (auto who = of_.rules_.tokens.bearer_of(hello.token)) return *who;
    of_.admission_.hello_failed(address_, now);
    spdlog::warn("connections: a hello from {} had {} token", address_,
                 hello.token.empty() ? "no" : "an unknown");
    return fail(error_code::unauthenticated,
                hello.token.empty() ? "a token is needed over TCP"
                                    : "the daemon does not know this token");
  }

  session_actor open_session(principal who,
                             std::shared_ptr<outbox> out) override {
    spdlog::debug("connections: {} said hello{}", who.name(),
                  address_.empty() ? "" : " from " + address_);
    auto session = spawn_session(*of_.sys_, std::move(who), std::move(out));
    caf::anon_send(of_.supervisor_, follow_views{session});
    return session;
  }

  void closed() override {
    of_.admission_.leave(address_);
    of_.count();
  }

 private:
  listener& of_;
  std::string address_;
  principal user_;
};

namespace {

/// One clear error, if it fits the socket's buffer; then the socket closes.
void turn_away(byte_stream::socket socket, const error& why) {
  const auto frame = encode_frame(frame_kind::terminal, 0, error_body(why));
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(frame), ignored);
}

}  // namespace

listener::listener(asio::io_context& io,
                   std::vector<std::unique_ptr<acceptor>> addresses,
                   listener_rules rules)
    : io_(io),
      addresses_(std::move(addresses)),
      rules_(std::move(rules)),
      admission_(rules_.admits) {}

listener::~listener() = default;

void listener::serve(caf::actor_system& sys, supervisor_actor supervisor) {
  sys_ = &sys;
  supervisor_ = std::move(supervisor);
  for (auto& at : addresses_) {
    spdlog::info("connections: listening on {}", at->name());
    asio::co_spawn(
        io_, [this, at = at.get()] { return accept(*at); }, asio::detached);
  }
}

void listener::change(listener_rules rules) {
  rules_ = std::move(rules);
  admission_.limit(rules_.admits);
}

void listener::stop() {
  for (auto& at : addresses_)
    at->close();
}

asio::awaitable<void> listener::accept(acceptor& at) {
  while (at.is_open()) {
    auto peer = co_await at.accept();
    if (!at.is_open()) co_return;
    if (!peer) {
      // Out of file descriptors, mostly: wait for one instead of spinning.
      spdlog::error("connections: accept on {}: {}", at.name(),
                    peer.error().context);
      asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    admit(at, std::move(peer).value());
  }
}

void listener::admit(acceptor& at, accepted peer) {
  if (auto refused = admission_.arrive(peer.address)) {
    spdlog::debug("connections: refused: {}", refused->context);
    // Nothing can be said in clear to a peer that speaks TLS.
    if (!at.speaks_tls()) turn_away(std::move(peer.socket), *refused);
    return;
  }
  count();
  auto door_of_this =
      std::make_shared<door>(*this, peer.address, std::move(peer.user));
  const auto& patient =
      peer.address.empty() ? rules_.over_unix : rules_.over_tcp;
  auto stream = at.speaks_tls()
                    ? make_tls_stream(std::move(peer.socket), rules_.tls)
                    : make_plain_stream(std::move(peer.socket));
  std::make_shared<connection>(std::move(stream), std::move(door_of_this),
                               patient)
      ->start();
}

void listener::count() {
  caf::anon_send(supervisor_, connections_changed{admission_.open()});
}

}  // namespace lamina

#include "daemon/metrics_server.hpp"

#include <spdlog/spdlog.h>

#include <caf/all.hpp>
#include <nlohmann/json.hpp>

#include "actors/messages/supervisor.hpp"
#include "daemon/metrics_text.hpp"
#include "daemon/status_request.hpp"

namespace lamina {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t connections_max = 8;
constexpr std::size_t request_bytes_max = 4'096;
constexpr auto patience_with_peer = std::chrono::seconds(5);

std::string response(std::string_view status, std::string_view body) {
  std::string text = "HTTP/1.1 ";
  text.append(status)
      .append("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8")
      .append("\r\nConnection: close\r\nContent-Length: ")
      .append(std::to_string(body.size()))
      .append("\r\n\r\n")
      .append(body);
  return text;
}

/// Closes the peer when it takes too long; the caller cancels it.
std::shared_ptr<asio::steady_timer> close_late(
    const std::shared_ptr<byte_stream>& peer) {
  auto timer = std::make_shared<asio::steady_timer>(peer->executor(),
                                                    3 * patience_with_peer);
  timer->async_wait([peer, timer](const boost::system::error_code& cancelled) {
    if (!cancelled) peer->close();
  });
  return timer;
}

/// The head of a request, byte by byte: it is short, and nothing follows.
asio::awaitable<std::string> read_head(byte_stream& peer) {
  std::string head;
  char next = 0;
  while (head.size() < request_bytes_max && !head.ends_with("\r\n\r\n")) {
    if (co_await peer.read(asio::buffer(&next, 1))) break;
    head += next;
  }
  co_return head;
}

}  // namespace

void metrics_server::serve(caf::actor_system& sys,
                           supervisor_actor supervisor) {
  sys_ = &sys;
  supervisor_ = std::move(supervisor);
  spdlog::info("connections: metrics on {}", at_->name());
  asio::co_spawn(
      io_, [this] { return accept(); }, asio::detached);
}

asio::awaitable<void> metrics_server::accept() {
  while (at_->is_open()) {
    auto peer = co_await at_->accept();
    if (!at_->is_open()) co_return;
    if (!peer) {
      asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    if (open_ >= connections_max) continue;  // its socket closes
    std::shared_ptr<byte_stream> stream =
        make_plain_stream(std::move(peer.value().socket));
    asio::co_spawn(
        io_, [this, stream] { return answer(stream); }, asio::detached);
  }
}

asio::awaitable<void> metrics_server::answer(
    std::shared_ptr<byte_stream> peer) {
  ++open_;
  auto timer = close_late(peer);
  const auto head = co_await read_head(*peer);
  std::string text;
  if (head.starts_with("GET /metrics "))
    text = response("200 OK", co_await collect());
  else if (head.starts_with("GET "))
    text = response("404 Not Found", "see /metrics\n");
  else
    text = response("405 Method Not Allowed", "GET /metrics\n");
  const std::vector<asio::const_buffer> whole(1, asio::buffer(text));
  co_await peer->write(whole, [] {});
  timer->cancel();
  peer->close();
  --open_;
}

asio::awaitable<std::string> metrics_server::collect() {
  auto answer = std::make_shared<std::string>();
  auto arrived =
      std::make_shared<asio::steady_timer>(io_, 2 * patience_with_peer);
  request_status(io_, *sys_, supervisor_,
                 [answer, arrived](const std::string& status) {
                   *answer = status;
                   arrived->cancel();
                 });
  boost::system::error_code woken;
  co_await arrived->async_wait(
      asio::redirect_error(asio::use_awaitable, woken));
  const auto document = nlohmann::json::parse(*answer, nullptr, false);
  co_return document.is_object() ? metrics_text(document) : std::string();
}

}  // namespace lamina

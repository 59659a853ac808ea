#include "daemon/listener.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/spawn.hpp"
#include "daemon/connection.hpp"
#include "protocol/limits.hpp"

namespace lamina {
namespace {

namespace asio = boost::asio;
using protocol = asio::local::stream_protocol;

/// True when somebody answers at this path.
bool alive(asio::io_context& io, const std::filesystem::path& path) {
  protocol::socket probe(io);
  boost::system::error_code refused;
  probe.connect(protocol::endpoint(path.string()), refused);
  return !refused;
}

class unix_listener final : public listener {
 public:
  unix_listener(asio::io_context& io, listener_options options)
      : io_(io), options_(std::move(options)), acceptor_(io) {}

  result<void> bind() {
    const auto& path = options_.socket_path;
    std::error_code failed;
    if (path.has_parent_path())
      std::filesystem::create_directories(path.parent_path(), failed);
    if (std::filesystem::exists(path, failed)) {
      if (!std::filesystem::is_socket(path, failed))
        return fail(error_code::invalid_argument,
                    path.string() + " exists and is not a socket");
      if (alive(io_, path))
        return fail(error_code::unavailable,
                    "another daemon listens on " + path.string());
      std::filesystem::remove(path, failed);
    }
    // The file must never exist with more rights than asked for.
    auto before = umask(0777 & ~options_.socket_mode);
    boost::system::error_code refused;
    acceptor_.open(protocol(), refused);
    if (!refused) acceptor_.bind(protocol::endpoint(path.string()), refused);
    umask(before);
    if (!refused)
      acceptor_.listen(asio::socket_base::max_listen_connections, refused);
    if (refused)
      return fail(error_code::io_error, "cannot listen on " + path.string() +
                                            ": " + refused.message());
    return success();
  }

  void serve(caf::actor_system& sys, supervisor_actor supervisor) override {
    sys_ = &sys;
    supervisor_ = std::move(supervisor);
    asio::co_spawn(
        io_, [this] { return accept(); }, asio::detached);
  }

  void stop() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    std::error_code gone;
    std::filesystem::remove(options_.socket_path, gone);
  }

 private:
  asio::awaitable<void> accept() {
    while (acceptor_.is_open()) {
      boost::system::error_code failed;
      auto socket = co_await acceptor_.async_accept(
          asio::redirect_error(asio::use_awaitable, failed));
      if (failed == asio::error::operation_aborted) co_return;
      if (failed) {
        // Out of file descriptors, mostly: wait for one instead of spinning.
        spdlog::error("accept: {}", failed.message());
        asio::steady_timer pause(io_, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::use_awaitable);
        continue;
      }
      admit(std::move(socket));
    }
  }

  void admit(protocol::socket socket) {
    ucred peer{};
    socklen_t length = sizeof peer;
    if (open_ >= limits::connections_max ||
        getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer,
                   &length) != 0) {
      spdlog::warn("connection refused: {} are open", open_);
      refuse(std::move(socket));
      return;
    }
    auto c = std::make_shared<connection>(std::move(socket));
    auto session = spawn_session(*sys_, peer.uid, c);
    caf::anon_send(supervisor_, follow_views{session});
    count(1);
    c->start(std::move(session), [this] { count(-1); });
  }

  /// One clear error, if it fits the socket's buffer; then the socket closes.
  static void refuse(protocol::socket socket) {
    auto frame = encode_frame(
        frame_kind::terminal, 0,
        error_body({error_code::overloaded,
                    "the daemon has as many connections as it takes"}));
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(frame), ignored);
  }

  void count(int change) {
    open_ += static_cast<std::uint32_t>(change);
    caf::anon_send(supervisor_, connections_changed{open_});
  }

  asio::io_context& io_;
  caf::actor_system* sys_ = nullptr;
  supervisor_actor supervisor_;
  listener_options options_;
  protocol::acceptor acceptor_;
  std::uint32_t open_ = 0;
};

}  // namespace

result<std::unique_ptr<listener>> listener::open(asio::io_context& io,
                                                 listener_options options) {
  auto created = std::make_unique<unix_listener>(io, std::move(options));
  BOOST_OUTCOME_TRYV(created->bind());
  return std::unique_ptr<listener>(std::move(created));
}

}  // namespace lamina

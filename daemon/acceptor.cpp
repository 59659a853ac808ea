#include "daemon/acceptor.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/peer_identity.hpp"

namespace lamina {
namespace {

namespace asio = boost::asio;
using local = asio::local::stream_protocol;
using tcp = asio::ip::tcp;

/// What both kinds share: waiting for the next one.
template <class Protocol>
class acceptor_of : public acceptor {
 public:
  acceptor_of(asio::io_context& io, std::string name)
      : acceptor_(io), name_(std::move(name)) {}

  asio::awaitable<result<accepted>> accept() override {
    boost::system::error_code failed;
    auto s = co_await acceptor_.async_accept(
        asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return fail(error_code::io_error, failed.message());
    co_return identify(std::move(s));
  }

  bool is_open() const override { return acceptor_.is_open(); }
  std::string name() const override { return name_; }
  bool speaks_tls() const override { return false; }

  void close() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  }

  result<void> listen(const typename Protocol::endpoint& at) {
    boost::system::error_code failed;
    if (!acceptor_.is_open()) acceptor_.open(at.protocol(), failed);
    if (!failed) acceptor_.bind(at, failed);
    if (!failed)
      acceptor_.listen(asio::socket_base::max_listen_connections, failed);
    if (failed)
      return fail(error_code::io_error,
                  "cannot listen on " + name_ + ": " + failed.message());
    return success();
  }

  result<void> take(int socket, const Protocol& protocol) {
    boost::system::error_code failed;
    acceptor_.assign(protocol, socket, failed);
    if (failed)
      return fail(error_code::io_error, "cannot take over the socket " + name_ +
                                            ": " + failed.message());
    return success();
  }

 protected:
  virtual result<accepted> identify(typename Protocol::socket s) = 0;

  typename Protocol::acceptor acceptor_;
  std::string name_;
};

/// True when somebody answers at this path.
bool alive(asio::io_context& io, const std::filesystem::path& path) {
  local::socket probe(io);
  boost::system::error_code refused;
  probe.connect(local::endpoint(path.string()), refused);
  return !refused;
}

class local_acceptor final : public acceptor_of<local> {
 public:
  using acceptor_of::acceptor_of;

  result<void> bind(asio::io_context& io, const std::filesystem::path& path,
                    unsigned mode) {
    std::error_code failed;
    if (path.has_parent_path())
      std::filesystem::create_directories(path.parent_path(), failed);
    if (std::filesystem::exists(path, failed)) {
      if (!std::filesystem::is_socket(path, failed))
        return fail(error_code::invalid_argument,
                    path.string() + " exists and is not a socket");
      if (alive(io, path))
        return fail(error_code::unavailable,
                    "another daemon listens on " + path.string());
      std::filesystem::remove(path, failed);
    }
    // The file must never exist with more rights than asked for.
    const auto before = umask(0777 & ~mode);
    auto bound = listen(local::endpoint(path.string()));
    umask(before);
    if (bound) path_ = path;
    return bound;
  }

  void close() override {
    acceptor_of::close();
    std::error_code gone;
    if (!path_.empty()) std::filesystem::remove(path_, gone);
  }

 private:
  result<accepted> identify(local::socket s) override {
    BOOST_OUTCOME_TRY(who, peer_of(s.native_handle()));
    return accepted{byte_stream::socket(std::move(s)), {}, std::move(who)};
  }

  std::filesystem::path path_;  // ours to remove
};

/// A peer that is gone without a word is noticed within two minutes. Without
/// these it works, only slower, so failures do not matter.
void keep_alive(tcp::socket& s) {
  auto set = [fd = s.native_handle()](int level, int option, int value) {
    (void)::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 120'000);
}

class tcp_acceptor final : public acceptor_of<tcp> {
 public:
  tcp_acceptor(asio::io_context& io, std::string name, bool tls)
      : acceptor_of(io, std::move(name)), tls_(tls) {}

  result<void> bind(const endpoint& address) {
    const auto host = address.host == "localhost" ? "127.0.0.1" : address.host;
    boost::system::error_code failed;
    const auto ip = asio::ip::make_address(host, failed);
    if (failed)
      return fail(error_code::invalid_argument,
                  "'" + address.host + "' in " + name_ +
                      " is not an address of this machine: expected a number "
                      "such as 127.0.0.1, or localhost");
    const tcp::endpoint at(ip, address.port);
    acceptor_.open(at.protocol(), failed);
    if (!failed)
      acceptor_.set_option(asio::socket_base::reuse_address(true), failed);
    // Apart from 0.0.0.0, so that both can be listed.
    if (!failed && ip.is_v6())
      acceptor_.set_option(asio::ip::v6_only(true), failed);
    if (failed)
      return fail(error_code::io_error,
                  "cannot listen on " + name_ + ": " + failed.message());
    return listen(at);
  }

  bool speaks_tls() const override { return tls_; }

 private:
  result<accepted> identify(tcp::socket s) override {
    boost::system::error_code failed;
    const auto from = s.remote_endpoint(failed);
    if (failed) return fail(error_code::io_error, failed.message());
    keep_alive(s);
    return accepted{
        byte_stream::socket(std::move(s)), peer_address(from.address()), {}};
  }

  bool tls_;
};

}  // namespace

result<std::unique_ptr<acceptor>> acceptor::open(asio::io_context& io,
                                                 const endpoint& address,
                                                 unsigned mode) {
  if (address.kind == endpoint::transport::unix_socket) {
    auto made = std::make_unique<local_acceptor>(io, to_string(address));
    BOOST_OUTCOME_TRYV(made->bind(io, address.path, mode));
    return std::unique_ptr<acceptor>(std::move(made));
  }
  auto made = std::make_unique<tcp_acceptor>(
      io, to_string(address), address.kind == endpoint::transport::tls);
  BOOST_OUTCOME_TRYV(made->bind(address));
  return std::unique_ptr<acceptor>(std::move(made));
}

result<std::unique_ptr<acceptor>> acceptor::adopt(asio::io_context& io,
                                                  int socket) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size) != 0 ||
      at.ss_family != AF_UNIX)
    return fail(error_code::unsupported,
                "systemd handed over a socket that is not a Unix socket: TCP "
                "belongs into `listen` of the configuration");
  auto made =
      std::make_unique<local_acceptor>(io, "a socket of the service manager");
  BOOST_OUTCOME_TRYV(made->take(socket, local()));
  return std::unique_ptr<acceptor>(std::move(made));
}

}  // namespace lamina

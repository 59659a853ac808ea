#include "client/cpp/connection.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

// Boost 1.74's awaitable.hpp uses std::exchange without including it.
#include <utility>

#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <chrono>
#include <optional>

#include "protocol/limits.hpp"

namespace lamina {
namespace {

namespace asio = boost::asio;
using asio_error = boost::system::error_code;
using stream_socket = asio::generic::stream_protocol::socket;

/// Where a request's number belongs while TLS greets; none has it.
constexpr std::uint32_t handshake_number = 0xffffffff;

result<void> connect_unix(stream_socket& socket, const endpoint& address) {
  asio_error problem;
  socket.connect(asio::local::stream_protocol::endpoint(address.path), problem);
  if (problem == asio::error::access_denied)
    return fail(error_code::forbidden,
                "you may not use " + to_string(address) +
                    "; its owner may, and its group if the file says so");
  if (problem)
    return fail(error_code::unavailable, "no daemon answers at " +
                                             to_string(address) + " (" +
                                             problem.message() + ")");
  return success();
}

result<void> connect_tcp(asio::io_context& io, stream_socket& socket,
                         const endpoint& address) {
  asio_error problem;
  asio::ip::tcp::resolver resolver(io);
  // As the daemon reads it (RFC 6761), also where no hosts file says so.
  const auto host = address.host == "localhost" ? "127.0.0.1" : address.host;
  const auto found =
      resolver.resolve(host, std::to_string(address.port), problem);
  if (problem)
    return fail(error_code::invalid_argument, "cannot find the host of " +
                                                  to_string(address) + " (" +
                                                  problem.message() + ")");
  problem = asio::error::host_not_found;
  for (const auto& candidate : found) {
    socket.close(problem);
    socket.connect(candidate.endpoint(), problem);
    if (problem) continue;
    socket.set_option(asio::ip::tcp::no_delay(true), problem);
    return success();
  }
  return fail(error_code::unavailable, "no daemon answers at " +
                                           to_string(address) + " (" +
                                           problem.message() + ")");
}

}  // namespace

struct connection::sockets {
  asio::io_context io{1};
  stream_socket socket{io};
  std::optional<asio::ssl::context> tls_context;
  std::optional<asio::ssl::stream<stream_socket&>> tls;  // over the socket
  asio::posix::stream_descriptor cancels{io};
  asio::steady_timer deadline{io};
  int cancel_fd = -1;  // owned by `cancels`; kept for signal handlers

  // The eventfd, once the socket is connected.
  result<void> prepare() {
    cancel_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel_fd < 0)
      return fail(error_code::io_error,
                  "cannot make an eventfd for cancelling");
    cancels.assign(cancel_fd);
    return success();
  }
};

connection::connection(std::unique_ptr<sockets> opened)
    : sockets_(std::move(opened)) {
  watch_cancel();
}

connection::~connection() = default;

result<std::unique_ptr<connection>> connection::open(const endpoint& address,
                                                     const std::string& tls_ca,
                                                     std::uint32_t ms_max) {
  auto opened = std::make_unique<sockets>();
  if (address.kind == endpoint::transport::unix_socket) {
    BOOST_OUTCOME_TRYV(connect_unix(opened->socket, address));
  } else {
    BOOST_OUTCOME_TRYV(connect_tcp(opened->io, opened->socket, address));
  }
  BOOST_OUTCOME_TRYV(opened->prepare());
  std::unique_ptr<connection> made(new connection(std::move(opened)));
  if (address.kind == endpoint::transport::tls) {
    BOOST_OUTCOME_TRYV(made->greet_tls(address, tls_ca, ms_max));
  }
  return made;
}

namespace {

/// Trusts a file's authorities or the system's, and nobody but `host`.
result<void> prepare_tls(asio::ssl::context& context, const std::string& tls_ca,
                         const std::string& host) {
  asio_error problem;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_3_VERSION);
  if (tls_ca.empty())
    context.set_default_verify_paths(problem);
  else
    context.load_verify_file(tls_ca, problem);
  if (problem)
    return fail(error_code::invalid_argument,
                "cannot use the certificates in " +
                    (tls_ca.empty() ? "the system's store" : tls_ca) + " (" +
                    problem.message() + ")");
  context.set_verify_mode(asio::ssl::verify_peer);
  context.set_verify_callback(asio::ssl::host_name_verification(host));
  return success();
}

}  // namespace

result<void> connection::greet_tls(const endpoint& address,
                                   const std::string& tls_ca,
                                   std::uint32_t ms_max) {
  auto& s = *sockets_;
  s.tls_context.emplace(asio::ssl::context::tls_client);
  BOOST_OUTCOME_TRYV(prepare_tls(*s.tls_context, tls_ca, address.host));
  s.tls.emplace(s.socket, *s.tls_context);
  // Which certificate a daemon of several names shows.
  SSL_set_tlsext_host_name(s.tls->native_handle(), address.host.c_str());
  asio_error problem;
  bool finished = false;
  s.tls->async_handshake(asio::ssl::stream_base::client,
                         [&](asio_error outcome) {
                           problem = outcome;
                           finished = true;
                         });
  running_ = handshake_number;
  watch_deadline(running_, ms_max);
  while (!finished)
    s.io.run_one();
  s.deadline.cancel();
  running_ = 0;
  if (deadline_passed_) return lost("the daemon did not greet in time");
  if (!problem) return success();
  const auto verdict = SSL_get_verify_result(s.tls->native_handle());
  if (verdict == X509_V_OK)
    return lost("no TLS with " + to_string(address) + " (" + problem.message() +
                ")");
  return fail(error_code::forbidden,
              "the daemon at " + to_string(address) + " cannot be trusted (" +
                  (verdict == X509_V_ERR_UNSPECIFIED
                       ? "its certificate does not name " + address.host
                       : X509_verify_cert_error_string(verdict)) +
                  ")");
}

result<std::unique_ptr<connection>> connection::adopt(int socket) {
  auto opened = std::make_unique<sockets>();
  asio_error problem;
  // The generic protocol only matters to sockets that Asio itself opens.
  opened->socket.assign(asio::generic::stream_protocol(AF_UNIX, 0), socket,
                        problem);
  if (problem) {
    ::close(socket);
    return fail(error_code::invalid_argument,
                "cannot take over the socket (" + problem.message() + ")");
  }
  BOOST_OUTCOME_TRYV(opened->prepare());
  return std::unique_ptr<connection>(new connection(std::move(opened)));
}

void connection::cancel_running() noexcept {
  const std::uint64_t one = 1;
  // Fails only when 2^64 cancels are pending.
  [[maybe_unused]] const auto written =
      ::write(sockets_->cancel_fd, &one, sizeof one);
}

void connection::watch_cancel() {
  auto& cancels = sockets_->cancels;
  cancels.async_wait(
      asio::posix::descriptor_base::wait_read, [this](asio_error problem) {
        if (problem) return;
        std::uint64_t count = 0;
        if (::read(sockets_->cancel_fd, &count, sizeof count) > 0 &&
            running_ != 0 && running_ != handshake_number)
          send_cancel(running_);
        watch_cancel();
      });
}

void connection::send_cancel(std::uint32_t request) {
  if (std::exchange(cancel_sent_, true)) return;
  wire::CancelT cancel;
  cancel.request = request;
  auto frame = try_encode_frame(frame_kind::request, ++last_request_,
                                make_body(std::move(cancel)));
  // A failed write shows as a lost connection in the read that follows.
  if (frame) (void)write(frame.value());
}

void connection::watch_deadline(std::uint32_t request, std::uint32_t ms_max) {
  auto& deadline = sockets_->deadline;
  deadline_passed_ = false;
  if (ms_max == 0) return;
  deadline.expires_after(std::chrono::milliseconds(ms_max));
  deadline.async_wait([this, request](asio_error problem) {
    // The timer may have fired just before its request ended.
    if (problem || running_ != request) return;
    deadline_passed_ = true;
    asio_error ignored;  // closing is what ends the read; it cannot fail us
    sockets_->socket.close(ignored);
  });
}

error connection::lost(std::string sentence) {
  lost_because_ = sentence;
  asio_error ignored;  // the connection is given up either way
  sockets_->socket.close(ignored);
  return error{error_code::unavailable, std::move(sentence)};
}

result<void> connection::write(std::span<const std::byte> head,
                               std::span<const std::byte> payload) {
  asio_error problem;
  const std::array parts{asio::buffer(head.data(), head.size()),
                         asio::buffer(payload.data(), payload.size())};
  if (sockets_->tls)
    asio::write(*sockets_->tls, parts, problem);
  else
    asio::write(sockets_->socket, parts, problem);
  if (problem)
    return lost("the connection to the daemon broke while writing (" +
                problem.message() + ")");
  return success();
}

result<void> connection::read(std::byte* into, std::size_t size) {
  if (size == 0) return success();
  asio_error problem;
  bool finished = false;
  auto done = [&](asio_error outcome, std::size_t) {
    problem = outcome;
    finished = true;
  };
  if (sockets_->tls)
    asio::async_read(*sockets_->tls, asio::buffer(into, size), done);
  else
    asio::async_read(sockets_->socket, asio::buffer(into, size), done);
  sockets_->io.restart();
  while (!finished)
    sockets_->io.run_one();
  if (deadline_passed_) return lost("the daemon did not answer in time");
  if (problem == asio::error::eof ||
      problem == asio::ssl::error::stream_truncated)
    return lost("the daemon closed the connection");
  if (problem)
    return lost("the connection to the daemon broke (" + problem.message() +
                ")");
  return success();
}

result<received_frame> connection::read_frame() {
  std::byte head[frame_header_bytes];
  BOOST_OUTCOME_TRYV(read(head, sizeof head));
  BOOST_OUTCOME_TRY(header, decode_header(head));
  std::vector<std::byte> control(header.control_bytes);
  BOOST_OUTCOME_TRYV(read(control.data(), control.size()));
  payload_.clear();  // so that growing copies nothing
  payload_.resize(header.payload_bytes);
  BOOST_OUTCOME_TRYV(read(payload_.data(), payload_.size()));
  BOOST_OUTCOME_TRYV(check_body(header, control, payload_));
  BOOST_OUTCOME_TRY(message, decode_response(control));
  return received_frame{header, std::move(message), payload_};
}

result<void> connection::read_answer(std::uint32_t request,
                                     const part_handler& on_part) {
  result<void> outcome = success();
  for (;;) {
    auto frame = read_frame();
    if (!frame && !lost_because_.empty()) return frame.error();
    // Bytes that are no frame: what follows could not be told apart.
    if (!frame)
      return lost("the daemon's answer cannot be read (" +
                  to_string(frame.error()) + ")");
    const auto& [header, body, payload] = frame.value();
    const auto* refusal = body.AsError();
    if (header.request == 0 && refusal != nullptr) {
      lost("the daemon refused the connection (" + refusal->message + ")");
      return error_of(*refusal);
    }
    if (header.request != request || header.kind == frame_kind::request)
      return lost("the daemon answered request " +
                  std::to_string(header.request) + ", which is not running");
    if (refusal != nullptr) return outcome ? error_of(*refusal) : outcome;
    if (outcome) {
      outcome = on_part(frame.value());
      if (!outcome && header.kind != frame_kind::terminal) send_cancel(request);
    }
    if (header.kind == frame_kind::terminal) return outcome;
  }
}

result<void> connection::exchange(const wire::BodyUnion& request,
                                  const part_handler& on_part,
                                  std::uint32_t ms_max,
                                  std::span<const std::byte> payload) {
  if (!lost_because_.empty())
    return fail(error_code::unavailable,
                "the connection is gone: " + lost_because_);
  const std::uint32_t id = ++last_request_;
  BOOST_OUTCOME_TRY(
      head, try_encode_frame_head(frame_kind::request, id, request, payload));
  // A cancel that came before this request meant an earlier one.
  std::uint64_t stale = 0;
  [[maybe_unused]] const auto drained =
      ::read(sockets_->cancel_fd, &stale, sizeof stale);
  BOOST_OUTCOME_TRYV(write(head, payload));
  running_ = id;
  cancel_sent_ = false;
  watch_deadline(id, ms_max);
  auto outcome = read_answer(id, on_part);
  sockets_->deadline.cancel();
  running_ = 0;
  return outcome;
}

}  // namespace lamina

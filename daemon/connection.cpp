#include "daemon/connection.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/messages/session.hpp"
#include "protocol/frame.hpp"
#include "protocol/limits.hpp"

namespace lamina {

namespace asio = boost::asio;
using asio::use_awaitable;

namespace {

/// Of the credit for frames read ahead: a payload costs one more a megabyte.
std::int64_t cost_of(const frame_received& frame) {
  constexpr std::size_t megabyte = 1u << 20;
  return 1 + static_cast<std::int64_t>(
                 frame.payload ? frame.payload->size() / megabyte : 0);
}

}  // namespace

connection::connection(socket s)
    : socket_(std::move(s)),
      may_read_(socket_.get_executor()),
      may_write_(socket_.get_executor()),
      handshake_(socket_.get_executor()),
      credit_(limits::inbound_frames_max) {}

void connection::start(session_actor session, std::function<void()> on_closed) {
  session_ = std::move(session);
  on_closed_ = std::move(on_closed);
  auto self = shared_from_this();
  handshake_.expires_after(std::chrono::milliseconds(limits::handshake_ms_max));
  handshake_.async_wait([self](const boost::system::error_code& cancelled) {
    if (!cancelled)
      self->refuse({error_code::unauthenticated, "no hello came in time"});
  });
  auto executor = socket_.get_executor();
  asio::co_spawn(
      executor, [self] { return self->read_frames(); }, asio::detached);
  asio::co_spawn(
      executor, [self] { return self->write_frames(); }, asio::detached);
}

// ---- from any thread --------------------------------------------------------

void connection::send(std::shared_ptr<const std::vector<std::byte>> frame) {
  asio::post(socket_.get_executor(),
             [self = shared_from_this(), frame = std::move(frame)]() mutable {
               if (self->closed_) return;
               self->queue_.push_back(std::move(frame));
               self->may_write_.cancel();
             });
}

void connection::take_next() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->credit_ += self->taken_.front();
    self->taken_.pop_front();
    self->may_read_.cancel();
  });
}

void connection::close() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->closing_ = true;
    self->may_write_.cancel();
  });
}

// ---- reading ----------------------------------------------------------------

asio::awaitable<void> connection::read_frames() {
  auto self = shared_from_this();
  while (!closing_) {
    while (credit_ <= 0 && !closed_) {
      may_read_.expires_at(std::chrono::steady_clock::time_point::max());
      boost::system::error_code woken;
      co_await may_read_.async_wait(asio::redirect_error(use_awaitable, woken));
    }
    if (closed_) co_return;
    auto frame = co_await read_frame();
    if (!frame) {
      if (frame.error().code == error_code::unavailable)
        closed();  // the peer is gone
      else
        refuse(frame.error());
      co_return;
    }
    handshake_.cancel();
    taken_.push_back(cost_of(frame.value()));
    credit_ -= taken_.back();
    caf::anon_send(session_, std::move(frame).value());
  }
}

/// unavailable: end of stream. Anything else is a framing error.
asio::awaitable<result<frame_received>> connection::read_frame() {
  boost::system::error_code failed;
  std::array<std::byte, frame_header_bytes> head;
  co_await asio::async_read(socket_, asio::buffer(head),
                            asio::redirect_error(use_awaitable, failed));
  if (failed) co_return fail(error_code::unavailable, failed.message());
  auto header = decode_header(head);
  if (!header) co_return fail(header.error().code, header.error().context);
  if (header.value().kind != frame_kind::request)
    co_return fail(error_code::malformed_frame,
                   "only requests come from clients");
  // Apart, so that the payload goes on as it was read.
  std::vector<std::byte> control(header.value().control_bytes);
  auto payload =
      std::make_shared<std::vector<std::byte>>(header.value().payload_bytes);
  const std::array parts{asio::buffer(control), asio::buffer(*payload)};
  co_await asio::async_read(socket_, parts,
                            asio::redirect_error(use_awaitable, failed));
  if (failed) co_return fail(error_code::unavailable, failed.message());
  auto checked = check_body(header.value(), control, *payload);
  if (!checked) co_return fail(checked.error().code, checked.error().context);
  auto message = decode_request(control);
  if (!message) co_return fail(message.error().code, message.error().context);
  auto takes =
      check_request_payload(message.value().type, header.value().payload_bytes);
  if (!takes) co_return fail(takes.error().code, takes.error().context);
  frame_received received{
      header.value().request,
      std::make_shared<const wire::BodyUnion>(std::move(message).value())};
  if (!payload->empty()) received.payload = std::move(payload);
  co_return received;
}

void connection::refuse(const error& e) {
  spdlog::debug("connection refused: {}", to_string(e));
  send(std::make_shared<const std::vector<std::byte>>(
      encode_frame(frame_kind::terminal, 0, error_body(e))));
  close();
}

// ---- writing ----------------------------------------------------------------

asio::awaitable<void> connection::write_frames() {
  auto self = shared_from_this();
  while (!closed_) {
    if (queue_.empty()) {
      if (closing_) break;
      may_write_.expires_at(std::chrono::steady_clock::time_point::max());
      boost::system::error_code woken;
      co_await may_write_.async_wait(
          asio::redirect_error(use_awaitable, woken));
      continue;
    }
    if (!co_await write_queued()) break;
  }
  closed();
}

/// Writes what is queued now in one go; false when the peer is gone.
asio::awaitable<bool> connection::write_queued() {
  constexpr std::size_t frames_at_once_max = 64;
  auto count = std::min(queue_.size(), frames_at_once_max);
  std::vector<std::shared_ptr<const std::vector<std::byte>>> frames(
      queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<asio::const_buffer> buffers;
  for (const auto& frame : frames)
    buffers.push_back(asio::buffer(*frame));
  boost::system::error_code failed;
  co_await asio::async_write(socket_, buffers,
                             asio::redirect_error(use_awaitable, failed));
  if (failed || closed_) co_return false;
  queue_.erase(queue_.begin(),
               queue_.begin() + static_cast<std::ptrdiff_t>(count));
  written_ += count;
  caf::anon_send(session_, frames_written{written_});
  co_return true;
}

void connection::closed() {
  if (closed_) return;
  closed_ = true;
  queue_.clear();
  handshake_.cancel();
  may_read_.cancel();
  may_write_.cancel();
  boost::system::error_code ignored;
  socket_.shutdown(socket::shutdown_both, ignored);
  socket_.close(ignored);
  caf::anon_send(session_, connection_closed{});
  on_closed_();
}

}  // namespace lamina

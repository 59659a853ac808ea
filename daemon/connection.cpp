#include "daemon/connection.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/supervisor.hpp"
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

/// Whether the frame, which is encoded, is the last one of a request.
bool ends_request(const outgoing_frame& frame) {
  const auto header = decode_header(frame.head);
  return header && header.value().kind == frame_kind::terminal &&
         header.value().request != 0;
}

}  // namespace

connection::connection(std::unique_ptr<byte_stream> stream,
                       std::shared_ptr<doorkeeper> door,
                       const patience& patient)
    : stream_(std::move(stream)),
      door_(std::move(door)),
      patient_(patient),
      may_read_(stream_->executor()),
      may_write_(stream_->executor()),
      tick_(stream_->executor()),
      credit_(limits::inbound_frames_max) {}

void connection::start() {
  auto self = shared_from_this();
  auto executor = stream_->executor();
  asio::co_spawn(
      executor, [self] { return self->live(); }, asio::detached);
  asio::co_spawn(
      executor, [self] { return self->watch(); }, asio::detached);
}

// ---- from any thread --------------------------------------------------------

void connection::send(outgoing_frame_ptr frame) {
  asio::post(stream_->executor(),
             [self = shared_from_this(), frame = std::move(frame)]() mutable {
               if (self->closed_) return;
               if (ends_request(*frame) && self->unanswered_ > 0)
                 --self->unanswered_;
               self->queue_.push_back(std::move(frame));
               self->may_write_.cancel();
             });
}

void connection::take_next() {
  asio::post(stream_->executor(), [self = shared_from_this()] {
    self->credit_ += self->taken_.front();
    self->taken_.pop_front();
    self->may_read_.cancel();
  });
}

void connection::close() {
  asio::post(stream_->executor(), [self = shared_from_this()] {
    self->closing_ = true;
    self->may_write_.cancel();
  });
}

// ---- reading ----------------------------------------------------------------

asio::awaitable<void> connection::live() {
  auto self = shared_from_this();
  if (co_await stream_->greet()) co_return closed();
  asio::co_spawn(
      stream_->executor(), [self] { return self->write_frames(); },
      asio::detached);
  if (co_await say_hello()) co_await read_frames();
}

/// False: the peer did not become anybody.
asio::awaitable<bool> connection::say_hello() {
  auto frame = co_await read_frame(limits::hello_bytes_max);
  if (!frame) {
    if (frame.error().code == error_code::unavailable)
      closed();
    else
      refuse(0, frame.error());
    co_return false;
  }
  const auto request = frame.value().request;
  const auto* hello = frame.value().body->AsHello();
  if (!hello) {
    refuse(request,
           {error_code::unauthenticated, "the first request must be Hello"});
    co_return false;
  }
  auto who = door_->recognise(*hello);
  if (!who) {
    refuse(request, who.error());
    co_return false;
  }
  session_ = door_->open_session(std::move(who).value(), shared_from_this());
  deliver(std::move(frame).value());
  co_return true;
}

asio::awaitable<void> connection::read_frames() {
  auto self = shared_from_this();
  while (!closing_) {
    while (credit_ <= 0 && !closed_) {
      may_read_.expires_at(clock::time_point::max());
      boost::system::error_code woken;
      co_await may_read_.async_wait(asio::redirect_error(use_awaitable, woken));
    }
    if (closed_) co_return;
    auto frame = co_await read_frame(limits::control_bytes_max +
                                     limits::payload_bytes_max);
    if (!frame) {
      if (frame.error().code == error_code::unavailable)
        closed();  // the peer is gone
      else
        refuse(0, frame.error());
      co_return;
    }
    deliver(std::move(frame).value());
  }
}

void connection::deliver(frame_received frame) {
  taken_.push_back(cost_of(frame));
  credit_ -= taken_.back();
  // A cancel has no answer of its own.
  if (frame.body->type != wire::Body::Cancel) ++unanswered_;
  caf::anon_send(session_, std::move(frame));
}

/// False: end of stream. A header may claim megabytes and nothing follow: what
/// is not cleared takes memory only as it is read into.
asio::awaitable<bool> connection::fill(byte_buffer& into, std::size_t size) {
  // A read of nothing must not be awaited: with GCC 12 the coroutine then dies
  // where it is resumed.
  if (size == 0) co_return true;
  into.resize(size);
  const auto failed = co_await stream_->read(asio::buffer(into.data(), size));
  if (failed) co_return false;
  read_at_ = clock::now();
  co_return true;
}

/// unavailable: end of stream. Anything else is a framing error.
asio::awaitable<result<frame_received>> connection::read_frame(
    std::size_t body_bytes_max) {
  const error gone{error_code::unavailable, "the connection ended"};
  std::array<std::byte, frame_header_bytes> head;
  if (co_await stream_->read(asio::buffer(head.data(), 1))) co_return gone;
  in_frame_ = true;
  frame_began_ = read_at_ = clock::now();
  if (co_await stream_->read(asio::buffer(head.data() + 1, head.size() - 1)))
    co_return gone;
  auto header = decode_header(head);
  if (!header) co_return header.error();
  if (header.value().kind != frame_kind::request)
    co_return error{error_code::malformed_frame,
                    "only requests come from clients"};
  if (header.value().body_bytes() > body_bytes_max)
    co_return error{
        error_code::limit_exceeded,
        "a first frame of " + std::to_string(header.value().body_bytes()) +
            " bytes is no Hello: " + std::to_string(body_bytes_max) +
            " are its limit"};
  // Apart, so that the payload goes on as it was read.
  byte_buffer control;
  auto payload = std::make_shared<byte_buffer>();
  if (!co_await fill(control, header.value().control_bytes) ||
      !co_await fill(*payload, header.value().payload_bytes))
    co_return gone;
  in_frame_ = false;
  auto checked = check_body(header.value(), control, *payload);
  if (!checked) co_return checked.error();
  auto message = decode_request(control);
  if (!message) co_return message.error();
  auto takes =
      check_request_payload(message.value().type, header.value().payload_bytes);
  if (!takes) co_return takes.error();
  frame_received received{
      header.value().request,
      std::make_shared<const wire::BodyUnion>(std::move(message).value())};
  if (!payload->empty()) received.payload = std::move(payload);
  co_return received;
}

void connection::refuse(std::uint32_t request, const error& e) {
  spdlog::debug("connection refused: {}", to_string(e));
  send(error_frame(request, e));
  close();
}

// ---- writing ----------------------------------------------------------------

asio::awaitable<void> connection::write_frames() {
  auto self = shared_from_this();
  while (!closed_) {
    if (queue_.empty()) {
      if (closing_) break;
      may_write_.expires_at(clock::time_point::max());
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
  std::vector<outgoing_frame_ptr> frames(
      queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<asio::const_buffer> buffers;
  for (const auto& frame : frames) {
    buffers.push_back(asio::buffer(frame->head));
    const auto& payload = frame->payload.bytes;
    if (!payload.empty())
      buffers.push_back(asio::buffer(payload.data(), payload.size()));
  }
  writing_ = true;
  wrote_at_ = clock::now();
  const auto failed =
      co_await stream_->write(buffers, [this] { wrote_at_ = clock::now(); });
  writing_ = false;
  if (failed || closed_) co_return false;
  queue_.erase(queue_.begin(),
               queue_.begin() + static_cast<std::ptrdiff_t>(count));
  written_ += count;
  if (session_) caf::anon_send(session_, frames_written{written_});
  co_return true;
}

// ---- patience ---------------------------------------------------------------

/// What the peer has kept us waiting for too long; null: nothing.
const char* connection::overdue(clock::time_point now) const {
  auto passed = [&](std::chrono::milliseconds most, clock::time_point since) {
    return most.count() != 0 && now - since > most;
  };
  if (!session_)
    return passed(patient_.handshake, began_) ? "no hello came in time"
                                              : nullptr;
  if (in_frame_ && passed(patient_.frame, frame_began_))
    return "a frame took too long to come";
  if (writing_ && passed(patient_.stalled, wrote_at_))
    return "answers were not read for too long";
  const bool idle = !in_frame_ && !writing_ && unanswered_ == 0;
  if (idle && passed(patient_.idle, std::max(read_at_, wrote_at_)))
    return "nothing was asked for too long";
  return nullptr;
}

asio::awaitable<void> connection::watch() {
  auto self = shared_from_this();
  while (!closed_) {
    tick_.expires_after(std::chrono::milliseconds(250));
    boost::system::error_code cancelled;
    co_await tick_.async_wait(asio::redirect_error(use_awaitable, cancelled));
    const char* why = closed_ ? nullptr : overdue(clock::now());
    if (!why) continue;
    // Whoever does not read its answers would not read this one.
    if (writing_ || closing_) {
      spdlog::info("connection closed: {}", why);
      co_return closed();
    }
    refuse(0, {session_ ? error_code::unavailable : error_code::unauthenticated,
               why});
  }
}

void connection::closed() {
  if (closed_) return;
  closed_ = true;
  queue_.clear();
  may_read_.cancel();
  may_write_.cancel();
  tick_.cancel();
  stream_->close();
  if (session_) caf::anon_send(session_, connection_closed{});
  door_->closed();
}

}  // namespace lamina

// A connection: one socket between a peer and its session actor.
//
// A coroutine reads frames and hands them on, one credit each, so that a peer
// cannot fill memory with requests; another writes what the outbox holds and
// tells the session. Both run on the listener's thread; `send`, `take_next`
// and `close` may be called from any thread. After a framing error the peer
// gets one Error on request 0 and the connection closes.
#pragma once

#include <utility>

#include <boost/asio.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/messages/session.hpp"
#include "actors/session.hpp"

namespace lamina {

class connection final : public outbox,
                         public std::enable_shared_from_this<connection> {
 public:
  using socket = boost::asio::local::stream_protocol::socket;

  explicit connection(socket s);

  /// Starts both coroutines; `session` gets every frame from now on, and
  /// `on_closed` is called once on the listener's thread.
  void start(session_actor session, std::function<void()> on_closed);

  void send(std::shared_ptr<const std::vector<std::byte>> frame) override;
  void take_next() override;
  void close() override;

 private:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  awaitable<void> read_frames();
  awaitable<result<frame_received>> read_frame();
  awaitable<void> write_frames();
  awaitable<bool> write_queued();
  void refuse(const error& e);
  void closed();

  socket socket_;
  session_actor session_;
  std::function<void()> on_closed_;
  boost::asio::steady_timer may_read_;   // cancelled: credit came
  boost::asio::steady_timer may_write_;  // cancelled: frames came
  boost::asio::steady_timer handshake_;
  std::int64_t credit_;
  std::deque<std::int64_t> taken_;  // what frames that went on cost
  std::deque<std::shared_ptr<const std::vector<std::byte>>> queue_;
  std::uint64_t written_ = 0;
  bool closing_ = false;
  bool closed_ = false;
};

}  // namespace lamina

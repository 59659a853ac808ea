// A connection: one peer's bytes, and the session actor that it gets once it
// has said hello.
//
// A coroutine reads frames and hands them on, one credit each, so that a peer
// cannot fill memory with requests; another writes what the outbox holds and
// tells the session. Memory for a frame is not touched before its bytes come,
// so what a header claims takes none. All run on the listener's thread; `send`,
// `take_next` and `close` may be called from any thread. After a framing error
// the peer gets one Error on request 0 and the connection closes.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/messages/session.hpp"
#include "actors/session.hpp"
#include "daemon/byte_stream.hpp"

namespace lamina {

/// How long a peer may take. 0: as long as it likes.
struct patience {
  std::chrono::milliseconds handshake{5'000};  // until hello is accepted
  std::chrono::milliseconds frame{0};  // from a frame's first byte to its last
  std::chrono::milliseconds idle{0};   // with no request and no byte
  std::chrono::milliseconds stalled{0};  // taking none of what is written
};

/// The listener's side: decides who may come in. Lives longer than its
/// connections; called on the listener's thread.
class doorkeeper {
 public:
  virtual ~doorkeeper() = default;

  /// Who says hello, or why not.
  virtual result<principal> recognise(const wire::HelloT& hello) = 0;
  virtual session_actor open_session(principal who,
                                     std::shared_ptr<outbox> out) = 0;
  virtual void closed() = 0;  // the last call
};

class connection final : public outbox,
                         public std::enable_shared_from_this<connection> {
 public:
  connection(std::unique_ptr<byte_stream> stream,
             std::shared_ptr<doorkeeper> door, const patience& patient);

  /// Starts the coroutines.
  void start();

  void send(outgoing_frame_ptr frame) override;
  void take_next() override;
  void close() override;

 private:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;
  using clock = std::chrono::steady_clock;

  awaitable<void> live();
  awaitable<bool> say_hello();
  awaitable<void> read_frames();
  awaitable<result<frame_received>> read_frame(std::size_t body_bytes_max);
  awaitable<bool> fill(byte_buffer& into, std::size_t size);
  awaitable<void> write_frames();
  awaitable<bool> write_queued();
  awaitable<void> watch();
  const char* overdue(clock::time_point now) const;
  void deliver(frame_received frame);
  void refuse(std::uint32_t request, const error& e);
  void closed();

  std::unique_ptr<byte_stream> stream_;
  std::shared_ptr<doorkeeper> door_;
  patience patient_;
  session_actor session_;                // null until hello was accepted
  boost::asio::steady_timer may_read_;   // cancelled: credit came
  boost::asio::steady_timer may_write_;  // cancelled: frames came
  boost::asio::steady_timer tick_;
  std::int64_t credit_;
  std::deque<std::int64_t> taken_;  // what frames that went on cost
  std::deque<outgoing_frame_ptr> queue_;
  std::uint64_t written_ = 0;
  std::uint32_t unanswered_ = 0;  // requests without their last frame
  bool in_frame_ = false;         // between its first byte and its last
  bool writing_ = false;
  clock::time_point began_ = clock::now();
  clock::time_point frame_began_{};
  clock::time_point read_at_ = clock::now();
  clock::time_point wrote_at_ = clock::now();
  bool closing_ = false;
  bool closed_ = false;
};

}  // namespace lamina

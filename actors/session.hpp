// A session: one connection in the actor world. It checks the order of frames
// (hello first, request ids that grow), spawns a request actor for each, and
// hands their frames to the connection's outbox; a request's next frame comes
// when the last one is on the wire. Its requests die with it; turns do not.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/messages/session.hpp"
#include "actors/principal.hpp"
#include "actors/view.hpp"
#include "protocol/frame.hpp"

namespace lamina {

/// The connection's side: thread-safe, never blocks. Implemented in daemon/.
class outbox {
 public:
  virtual ~outbox() = default;

  /// Queues a frame. When it is written the session gets frames_written with
  /// the number of frames written so far.
  virtual void send(outgoing_frame_ptr frame) = 0;

  /// One more frame may be read from the peer.
  virtual void take_next() = 0;

  /// Writes what is queued, then closes.
  virtual void close() = 0;
};

/// A request's frame on its way out; `number` counts all frames sent.
struct unwritten_frame {
  std::uint64_t number = 0;
  std::size_t bytes = 0;
  bool ends = false;
  caf::typed_response_promise<frame_sent> promise;
};

struct session_state {
  using pointer = session_actor::stateful_pointer<session_state>;

  struct running_request {
    request_actor actor;
    std::size_t payload_bytes = 0;
    wire::Body type = wire::Body::NONE;
    std::chrono::steady_clock::time_point received;
  };
  using running_requests = std::map<std::uint32_t, running_request>;

  explicit session_state(pointer actor) : self(actor) {}
  ~session_state();

  void receive(const frame_received& m);
  void follow(const view_ptr& newest);
  void greet(const frame_received& m);
  std::optional<error> refusal_of(const frame_received& m) const;
  void start(const frame_received& m);
  void answer(std::uint32_t request, const wire::BodyUnion& body);
  void refuse(std::uint32_t request, const error& e, bool closes);
  caf::result<frame_sent> send(const send_frame& m);
  void written(std::uint64_t count);
  void take_next();
  void forget(running_requests::iterator request, std::uint16_t failed);
  void record(wire::Body type, std::uint16_t failed,
              std::chrono::steady_clock::time_point received);

  static inline const char* name = "session";
  pointer self;
  principal who;
  std::shared_ptr<outbox> out;
  view_ptr view;  // null until the supervisor has sent the first one
  std::vector<frame_received> early;  // frames that came before it
  bool greeted = false;
  std::uint32_t newest_request = 0;
  running_requests requests;
  std::size_t payload_bytes = 0;  // of all of them
  std::uint64_t frames_sent = 0;
  std::uint64_t frames_done = 0;
  std::uint32_t takes_owed = 0;         // frames taken up, not yet allowed for
  std::deque<unwritten_frame> waiting;  // of requests
  std::uint64_t unwritten_bytes = 0;    // of those
  std::uint32_t unwritten_ends = 0;     // terminal frames among them
};

session_actor::behavior_type session(session_state::pointer self, principal who,
                                     std::shared_ptr<outbox> out);

}  // namespace lamina

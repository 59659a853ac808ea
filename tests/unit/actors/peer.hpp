// The far end of a session, without a socket: asks in frames and collects the
// answers. Works on real threads and on CAF's test scheduler.
#pragma once

#include <caf/all.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/messages/session.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/spawn.hpp"
#include "actors/view.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "tests/unit/actors/frames.hpp"

namespace lamina {

class peer final : public outbox, public std::enable_shared_from_this<peer> {
 public:
  struct answer {
    std::vector<wire::BodyUnion> bodies;  // the last one is the terminal
    std::size_t payload_bytes = 0;

    template <class T>
    const T* last() const {
      const auto& body = bodies.back();
      return body.type == wire::BodyUnionTraits<T>::enum_value
                 ? static_cast<const T*>(body.value)
                 : nullptr;
    }
  };

  /// Says hello; the answer to that is not waited for.
  void connect(caf::actor_system& sys, const supervisor_actor& top,
               const principal& who) {
    session_ = spawn_session(sys, who, shared_from_this());
    caf::anon_send(top, follow_views{session_});
    begin(make_body(wire::HelloT{}));
  }

  const session_actor& session() const { return session_; }

  void disconnect() { caf::anon_send(session_, connection_closed{}); }

  std::uint32_t begin(wire::BodyUnion body) {
    const auto request = ++newest_;
    caf::anon_send(session_,
                   frame_received{request, std::make_shared<wire::BodyUnion>(
                                               std::move(body))});
    return request;
  }

  /// Waits for the terminal frame.
  answer finish(std::uint32_t request) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return ended_[request]; });
    auto a = std::move(answers_[request]);
    answers_.erase(request);
    return a;
  }

  /// Frames that came of an answer that is not finished.
  std::size_t received(std::uint32_t request) {
    std::lock_guard lock(mutex_);
    return answers_[request].bodies.size();
  }

  bool finished(std::uint32_t request) {
    std::lock_guard lock(mutex_);
    return ended_[request];
  }

  /// A peer that does not read: nothing is on its wire until it does again.
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    caf::anon_send(session_, frames_written{written_});
  }

  answer ask(wire::BodyUnion body) { return finish(begin(std::move(body))); }

  void send(outgoing_frame_ptr frame) override {
    const auto whole = joined(*frame);
    auto view = decode_frame(whole).value();
    auto body = decode_response(view.control).value();
    std::lock_guard lock(mutex_);
    auto& a = answers_[view.header.request];
    a.bodies.push_back(std::move(body));
    a.payload_bytes += view.payload.size();
    if (view.header.kind == frame_kind::terminal)
      ended_[view.header.request] = true;
    arrived_.notify_all();
    ++written_;
    if (!paused_) caf::anon_send(session_, frames_written{written_});
  }
  void take_next() override {}
  void close() override {}

 private:
  session_actor session_;
  std::uint32_t newest_ = 0;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::uint32_t, answer> answers_;
  std::map<std::uint32_t, bool> ended_;
  std::uint64_t written_ = 0;
  bool paused_ = false;
};

}  // namespace lamina

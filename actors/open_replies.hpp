// Answers that an actor owes while it waits for somebody else. A response
// promise that is lost with its actor leaves the asker waiting for ever, so
// every one that is captured in a callback is kept here too, and the actor's
// destructor fails those that are left. Owned by one actor's state.
#pragma once

#include <caf/typed_response_promise.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "protocol/error.hpp"

namespace lamina {

/// Gives the answer, once; copies share it. Must not outlive the
/// `open_replies` that made it when it is called.
template <class Value>
using reply_to = std::function<void(result<Value>)>;

class open_replies {
 public:
  open_replies() = default;
  open_replies(const open_replies&) = delete;
  open_replies& operator=(const open_replies&) = delete;

  template <class Value>
  reply_to<Value> add(caf::typed_response_promise<result<Value>> promise) {
    const auto key = ++newest_;
    open_[key] = [promise](const error& why) mutable {
      promise.deliver(result<Value>(why));
    };
    return [this, key, promise](result<Value> answer) mutable {
      if (open_.erase(key) != 0) promise.deliver(std::move(answer));
    };
  }

  void fail_all(const error& why) {
    for (auto& [key, fails] : std::exchange(open_, {}))
      fails(why);
  }

  bool empty() const { return open_.empty(); }

 private:
  std::uint64_t newest_ = 0;
  std::map<std::uint64_t, std::function<void(const error&)>> open_;
};

}  // namespace lamina

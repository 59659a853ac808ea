// Who may come in: how many connections there are, of which peer, and who has
// said hello wrongly too often. Pure bookkeeping; owned by the listener, used
// on its thread only. `now` is a steady clock's.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "protocol/error.hpp"

namespace lamina {

struct admission_limits {
  std::uint32_t connections_max = 256;
  std::uint32_t tcp_connections_max = 192;  // the rest is for Unix sockets
  std::uint32_t connections_per_address_max = 64;
};

class admission {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit admission(const admission_limits& limits) : limits_(limits) {}
  void limit(const admission_limits& limits) { limits_ = limits; }

  /// A connection, of an address when it comes over TCP, else of "". Nothing:
  /// it is counted, until leave(). overloaded: it is not.
  std::optional<error> arrive(const std::string& address);
  void leave(const std::string& address);
  std::uint32_t open() const { return open_; }

  /// Before a token is looked at. overloaded, with the time to wait, when too
  /// many hellos of this address have failed: five, and one more every ten
  /// seconds. The same for right tokens, so that nobody can go on guessing.
  std::optional<error> may_say_hello(const std::string& address,
                                     time_point now);
  void hello_failed(const std::string& address, time_point now);

 private:
  struct failures {
    double left = 0;  // hellos that may still fail
    time_point at;    // when that was so
    std::list<std::string>::iterator used;
  };
  failures& failures_of(const std::string& address, time_point now);

  admission_limits limits_;
  std::uint32_t open_ = 0;
  std::uint32_t open_over_tcp_ = 0;
  std::map<std::string, std::uint32_t> of_address_;
  std::map<std::string, failures> failed_;  // a thousand, the newest
  std::list<std::string> order_;            // most recent first
};

}  // namespace lamina

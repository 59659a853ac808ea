// Whether the daemon still works, as far as its status tells: what decides if
// systemd's watchdog is fed. Pure.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lamina {

class watchdog {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Takes a status document, in which a part that did not answer within a
  /// second is silent. Empty: all is well. Else the part that has been silent
  /// for too long: a minute, a model ten, for one of its steps may take long.
  std::string silent_part(const nlohmann::json& status, time_point now);

 private:
  std::map<std::string, time_point> silent_since_;
};

}  // namespace lamina

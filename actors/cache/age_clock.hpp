// The clock that ages are judged by: wall time that has proved itself.
//
// A wall clock that jumps forward (a dead battery, a wrong date typed in) would
// make everything old at once, and what eviction has taken does not come back
// when the clock is put right. So a time more than a day later than the steady
// clock allows is believed only when it still stands some minutes later. The
// same goes for the first time after a start, which nothing vouches for. Pure;
// owned by the disk actor.
#pragma once

#include <cstdint>
#include <optional>

namespace lamina {

class age_clock {
 public:
  static constexpr std::int64_t jump_ms = 24 * 3600 * 1000;
  static constexpr std::int64_t proof_ms = 5 * 60 * 1000;

  /// The time to judge ages by; nothing while there is none to trust.
  std::optional<std::int64_t> judge(std::int64_t wall_ms,
                                    std::int64_t steady_ms);

 private:
  struct look {
    std::int64_t wall_ms = 0;
    std::int64_t steady_ms = 0;
    /// What a clock that runs on from here shows.
    std::int64_t later(std::int64_t now_steady_ms) const {
      return wall_ms + (now_steady_ms - steady_ms);
    }
  };
  std::optional<look> trusted_;
  std::optional<look> doubted_;
};

}  // namespace lamina

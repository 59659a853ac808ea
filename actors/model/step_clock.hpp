// Where the time of an engine's steps goes. A few readings of the clock a
// layer: what passed since the reading before belongs to the part that has
// just ended. Engine's thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lamina {

enum class step_part : std::uint8_t {
  matmul,     // matrix products, with the norms and gates around them
  attention,  // with rotation and what enters the KV cache
  lens,       // eager: its rows of the head's product, and their records
  capture,    // activations into their chunks
  sampling,
  other,  // planning a step, and handing on what came of it
};

inline constexpr std::array<std::string_view, 6> step_part_names{
    "matmul", "attention", "lens", "capture", "sampling", "other"};

/// Seconds by part, in the order of step_part.
using step_seconds = std::array<double, step_part_names.size()>;

class step_clock {
 public:
  /// What passed since the last reading is nobody's.
  void start() { last_ = clock::now(); }

  /// What passed is this part's.
  void lap(step_part part) { seconds_[index(part)] += passed(); }

  /// What passed is shared: `share` of it, 0 to 1, is the first part's.
  void lap(step_part first, double share, step_part second) {
    const double all = passed();
    seconds_[index(first)] += share * all;
    seconds_[index(second)] += (1 - share) * all;
  }

  const step_seconds& seconds() const { return seconds_; }

 private:
  using clock = std::chrono::steady_clock;

  static constexpr std::size_t index(step_part part) {
    return static_cast<std::size_t>(part);
  }
  double passed() {
    const auto now = clock::now();
    const double s = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return s;
  }

  clock::time_point last_ = clock::now();
  step_seconds seconds_{};
};

}  // namespace lamina

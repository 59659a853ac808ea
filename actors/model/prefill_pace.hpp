// How many positions a step may prefill: as many as fit into the time that
// those who wait for the end of the step may be kept waiting. A sequence that
// decodes waits for its next token; a click, a cancel or a new turn waits for
// the step that is under way.
//
// Learns from each step what a position costs, on this machine, with this
// model, this far into the context. Plain; engine's thread.
#pragma once

#include <cstdint>

namespace lamina {

struct pace_limits {
  std::uint32_t rows_max = 512;  // of one step
  /// What prefilling may add to a step that somebody waits for; as long as the
  /// step takes without, if that is longer.
  double beside_seconds = 0.04;
  /// A step of nothing but prefills that are waited for.
  double alone_seconds = 0.25;
};

class prefill_pace {
 public:
  /// As many rows as a tile of the matrix units has: fewer cost as much.
  static constexpr std::uint32_t rows_min = 16;

  explicit prefill_pace(const pace_limits& limits) : limits_(limits) {}

  /// `beside`: sequences decode in the same step, or what is prefilled is what
  /// nobody waits for.
  std::uint32_t rows(bool beside) const;

  /// A step had so many rows of decoding and of prefilling sequences.
  void took(std::uint32_t decoded, std::uint32_t prefilled, double seconds);

 private:
  pace_limits limits_;
  double decode_seconds_ = 0;  // of a step without prefill; running means
  double row_seconds_ = 0;     // that prefilling adds, for each row
};

}  // namespace lamina

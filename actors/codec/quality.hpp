// How faithfully activations are kept: chosen per capture or model, recorded in
// every stored value. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lamina {

/// The numbers are in stored values and never change their meaning.
enum class quality : std::uint8_t {
  raw = 0,       // the bytes as they are, not coded
  lossless = 1,  // the exact bytes, entropy coded
  high = 2,      // about the noise that bfloat16 arithmetic has anyway
  balanced = 3,
  small = 4,
};

/// What a lossy quality promises of every finite row, as root mean square
/// error relative to the root mean square of what was there.
struct error_bounds {
  float row;       // over all channels of a row
  float ordinary;  // over its ordinary channels (see `ordinary_factor`)
};

/// A channel of a row is ordinary unless its magnitude exceeds the row's mean
/// magnitude this many times. The few others (outlier channels, "massive
/// activations") may hold most of a row's energy; an error measured against
/// that would let the rest vanish.
inline constexpr float ordinary_factor = 6.0f;

/// Zero for the qualities that lose nothing.
constexpr error_bounds bounds_of(quality q) {
  switch (q) {
    case quality::high:
      return {0.005f, 0.0075f};
    case quality::balanced:
      return {0.07f, 0.105f};
    case quality::small:
      return {0.14f, 0.21f};
    case quality::raw:
    case quality::lossless:
      break;
  }
  return {0, 0};
}

constexpr bool is_lossy(quality q) {
  return bounds_of(q).row > 0;
}

/// "raw", "lossless", "high", "balanced", "small"; "unknown" for other numbers.
std::string_view to_string(quality q);

/// The quality of that name.
std::optional<quality> quality_named(std::string_view name);

}  // namespace lamina

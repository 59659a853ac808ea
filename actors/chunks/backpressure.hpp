// What a turn does while more of its raw activations are on their way to disk
// than it may have there (`in_flight_mb`). Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lamina {

enum class backpressure : std::uint8_t {
  wait = 1,  // it sits out the model's steps until some are safe
  drop = 2,  // it goes on, and the activations of whole chunks are given up
};

constexpr std::string_view to_string(backpressure policy) {
  return policy == backpressure::drop ? "drop" : "wait";
}

/// The policy of that name.
constexpr std::optional<backpressure> backpressure_named(
    std::string_view name) {
  if (name == "wait") return backpressure::wait;
  if (name == "drop") return backpressure::drop;
  return std::nullopt;
}

}  // namespace lamina

// What becomes of the weights that are multiplied, when a model is loaded. The
// embedding, norms and biases stay as they are. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lamina {

enum class weight_format : std::uint8_t {
  stored,  // as the checkpoint has them, or as the compute dtype demands
  int8,    // quantised, a scale for each output (kernels/quantise.hpp)
};

/// "stored", "int8".
constexpr std::string_view to_string(weight_format f) {
  return f == weight_format::int8 ? "int8" : "stored";
}

constexpr std::optional<weight_format> weight_format_named(
    std::string_view name) {
  for (const auto f : {weight_format::stored, weight_format::int8})
    if (name == to_string(f)) return f;
  return std::nullopt;
}

}  // namespace lamina

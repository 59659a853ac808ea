#include "actors/codec/quality.hpp"

namespace lamina {

std::string_view to_string(quality q) {
  switch (q) {
    case quality::raw:
      return "raw";
    case quality::lossless:
      return "lossless";
    case quality::high:
      return "high";
    case quality::balanced:
      return "balanced";
    case quality::small:
      return "small";
  }
  return "unknown";
}

std::optional<quality> quality_named(std::string_view name) {
  for (const quality q : {quality::raw, quality::lossless, quality::high,
                          quality::balanced, quality::small})
    if (name == to_string(q)) return q;
  return std::nullopt;
}

}  // namespace lamina

#include "daemon/log_parts.hpp"

#include <algorithm>

namespace lamina {

const std::vector<std::string>& log_parts() {
  static const std::vector<std::string> parts{
      "catalog", "code books", "connections", "daemon",
      "disk",    "generation", "supervisor"};
  return parts;
}

std::string_view part_of(std::string_view message) {
  const auto name = message.substr(0, message.find(':'));
  const auto known = std::ranges::find(log_parts(), name);
  return known == log_parts().end() ? std::string_view("daemon")
                                    : std::string_view(*known);
}

}  // namespace lamina

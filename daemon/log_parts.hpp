// The parts of the daemon that log under names of their own. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// "daemon" is whatever names no other.
const std::vector<std::string>& log_parts();

/// The part that a message begins with, as in "disk: ..."; else "daemon".
std::string_view part_of(std::string_view message);

}  // namespace lamina

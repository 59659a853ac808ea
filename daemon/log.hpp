// The log: one line an event, to standard error, or to journald with fields.
//
// A message begins with the part it comes from: "disk: ...". Each part may
// have a level of its own. Prompts and answers are never logged.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemon/log_parts.hpp"

namespace lamina {

/// The message on one line: what would end it, or command a terminal, escaped.
std::string on_one_line(std::string_view message);

/// Starts logging; again: other levels. `levels` are of parts.
void set_up_log(const std::string& level,
                const std::map<std::string, std::string>& levels);

}  // namespace lamina

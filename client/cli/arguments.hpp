// The command line as CLI11 reads it: every command, option and its help.
#pragma once

#include <functional>
#include <variant>

#include "client/cli/commands.hpp"

namespace lamina::cli {

/// What to run, with what.
struct invocation {
  common_options common;
  std::function<result<int>(session&)> command;
};

/// The invocation, or the exit code after help or a usage error was printed.
std::variant<invocation, int> parse_arguments(int count, char** words);

}  // namespace lamina::cli

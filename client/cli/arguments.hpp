// The command line as CLI11 reads it: every command, option and its help.
#pragma once

#include <functional>
#include <variant>

#include "client/cli/commands.hpp"

namespace CLI {
class App;
}  // namespace CLI

namespace lamina::cli {

/// What to run, with what.
struct invocation {
  common_options common;
  std::function<result<int>(session&)> command;
};

/// `models` and what belongs to it.
void add_models(CLI::App& app, invocation& chosen);

/// The invocation, or the exit code after help or a usage error was printed.
std::variant<invocation, int> parse_arguments(int count, char** words);

}  // namespace lamina::cli

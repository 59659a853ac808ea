// Command line of what belongs to a daemon that several use: who one is to it,
// who may read what, how it is configured.
#pragma once

#include "client/cli/arguments.hpp"
#include "client/cli/session.hpp"

namespace CLI {
class App;
}

namespace lamina::cli {

void add_identity_options(CLI::App& app, common_options& common);
void add_sharing(CLI::App& conversations, invocation& chosen);
void add_config(CLI::App& app, invocation& chosen);

}  // namespace lamina::cli

// Those of `bench` that measure a model through the daemon.
#pragma once

#include "client/cli/arguments.hpp"

namespace lamina::cli {

/// `decode`, `capture` and `sessions`.
void add_model_benches(CLI::App& bench, invocation& chosen);

}  // namespace lamina::cli

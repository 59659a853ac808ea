// The daemon's configuration, for people. Pure.
#pragma once

#include <string>

#include "client/cli/json_forms.hpp"
#include "client/cli/style.hpp"

namespace lamina::cli {

/// A line a key: its value, and where that came from. What is not a default
/// stands out.
std::string render_configuration(const json& document, const style& look);

}  // namespace lamina::cli

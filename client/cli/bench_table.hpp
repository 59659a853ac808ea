// What bench decode, capture and sessions measured, for people. Pure.
#pragma once

#include <string>

#include "client/cli/json_forms.hpp"
#include "client/cli/style.hpp"

namespace lamina::cli {

std::string render_decode_rates(const json& report, const style& look);
std::string render_capture_costs(const json& report, const style& look);
std::string render_sessions(const json& report, const style& look);

}  // namespace lamina::cli

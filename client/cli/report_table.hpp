// The daemon's reports as text for people: what a capture would take, and what
// each quality does to a conversation's activations. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "client/cli/style.hpp"
#include "protocol/error.hpp"

namespace lamina::cli {

/// A daemon's report; internal when it is no JSON document.
result<nlohmann::ordered_json> parse_report(const std::string& text);

/// invalid fields read as 0 or as nothing: a newer daemon may leave some out.
std::string render_plan(const nlohmann::ordered_json& plan, const style& look);

/// What loading a model's directory would take.
std::string render_model_plan(const nlohmann::ordered_json& plan,
                              const style& look);

/// One line a quality, and a line above that says of what.
std::string render_codec_rates(const nlohmann::ordered_json& report,
                               const style& look);

/// "123 B", "1.2 KB", "3.4 MB", ...: powers of 1000.
std::string readable_bytes(double bytes);

}  // namespace lamina::cli

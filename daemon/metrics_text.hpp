// The status document in Prometheus' text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

struct metric {
  std::string_view name;
  std::string_view type;  // "counter", "gauge", "histogram"
  std::string_view help;
};

/// All there are, in the order of the text. docs/operate.md lists them.
const std::vector<metric>& metrics();

/// `status` is what `lamina status --json` prints. A metric of which the
/// document says nothing, for an actor is silent, has no line.
std::string metrics_text(const nlohmann::json& status);

}  // namespace lamina

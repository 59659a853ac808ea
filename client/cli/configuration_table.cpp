#include "client/cli/configuration_table.hpp"

#include "client/cli/table_rows.hpp"
#include "client/cli/text.hpp"

namespace lamina::cli {
namespace {

/// As YAML would have it, on one line.
std::string value_text(const json& value) {
  if (value.is_string()) return harmless(value.get<std::string>());
  return value.is_null() ? "-" : harmless(value.dump());
}

}  // namespace

std::string render_configuration(const json& document, const style& look) {
  std::vector<table_row> rows;
  for (const auto& s : document.value("settings", json::array())) {
    const auto source = s.value("source", std::string());
    const bool said = source != "default";
    const auto value = value_text(s.value("value", json()));
    rows.push_back({harmless(s.value("key", std::string())),
                    said ? look.bold(value) : value, harmless(source),
                    s.value("live", false) ? "reload" : "restart"});
  }
  return render_rows({"key", "value", "from", "a change takes"}, rows, look);
}

}  // namespace lamina::cli

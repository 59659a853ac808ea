#include "client/cli/table_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "client/cli/text.hpp"

namespace lamina::cli {

std::string render_rows(const table_row& head,
                        const std::vector<table_row>& rows, const style& look) {
  std::vector<std::size_t> widths;
  for (const auto& title : head)
    widths.push_back(display_width(title));
  for (const auto& cells : rows)
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], display_width(cells[i]));
  const auto line = [&](const table_row& cells) {
    std::string text;
    for (std::size_t i = 0; i + 1 < cells.size(); ++i)
      text += fit(cells[i], widths[i]) + "  ";
    return text + cells.back();
  };
  std::string text = look.dim(line(head)) + "\n";
  for (const auto& cells : rows)
    text += line(cells) + "\n";
  return text;
}

std::string bytes_text(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit)
    bytes /= 1024;
  return unit == 0 ? fmt::format("{:.0f} B", bytes)
                   : fmt::format("{:.1f} {}", bytes, units[unit]);
}

}  // namespace lamina::cli

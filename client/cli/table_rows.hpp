// Text in columns. Pure.
#pragma once

#include <string>
#include <vector>

#include "client/cli/style.hpp"

namespace lamina::cli {

using table_row = std::vector<std::string>;

/// Columns as wide as their widest cell, two spaces apart, the last as it is;
/// the head dimmed. Every row has as many cells as the head.
std::string render_rows(const table_row& head,
                        const std::vector<table_row>& rows, const style& look);

/// 1536 as "1.5 KiB".
std::string bytes_text(double bytes);

}  // namespace lamina::cli

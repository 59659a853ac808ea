#include "actors/audit/ledger.hpp"

#include <algorithm>

namespace lamina {
namespace {

bool same_fate(const ledger_line& a, const ledger_line& b) {
  return a.at == b.at && a.state == b.state && a.kept == b.kept &&
         a.errors.row == b.errors.row &&
         a.errors.ordinary == b.errors.ordinary && a.row_begin == b.row_begin &&
         a.row_end == b.row_end;
}

void add(std::vector<ledger_line>& lines, const ledger_line& line) {
  if (!lines.empty() && lines.back().layer_end == line.layer_begin &&
      same_fate(lines.back(), line)) {
    lines.back().layer_end = line.layer_end;
    lines.back().stored_bytes += line.stored_bytes;
  } else {
    lines.push_back(line);
  }
}

/// Of rows that nothing is stored of.
presence absent(presence promised, bool evicted) {
  if (promised != presence::present) return promised;
  return evicted ? presence::evicted : presence::corrupt;
}

/// Rows that came after those which are stored: reading computes them.
presence beyond(presence promised) {
  return promised == presence::present ? presence::on_demand : promised;
}

class site_lines {
 public:
  site_lines(site at, presence promised, std::uint32_t rows,
             const capture_shape& shape, const chunk_contents& stored)
      : at_(at),
        promised_(promised),
        rows_(rows),
        layers_(is_per_layer(at) ? shape.layers : 1),
        shape_(shape),
        stored_(stored) {}

  void append_to(std::vector<ledger_line>& lines) const {
    const auto keys = value_keys(stored_.name, at_, shape_);
    // Rows behind a short value are lines of their own, after the others.
    std::vector<ledger_line> behind;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ledger_line line;
      line.at = at_;
      line.layer_begin = keys[i].first_layer;
      line.layer_end = i + 1 < keys.size() ? keys[i + 1].first_layer : layers_;
      line.row_end = rows_;
      const auto* value = stored_.find(keys[i]);
      if (value == nullptr) {
        line.state = absent(promised_, stored_.was_evicted(at_));
        add(lines, line);
        continue;
      }
      describe(*value, line);
      add(lines, line);
      if (line.row_end == rows_) continue;
      ledger_line rest = line;
      rest.row_begin = line.row_end;
      rest.row_end = rows_;
      rest.state = beyond(promised_);
      rest.kept.reset();
      rest.errors = {};
      rest.stored_bytes = 0;
      add(behind, rest);
    }
    lines.insert(lines.end(), behind.begin(), behind.end());
  }

 private:
  void describe(const value_head& value, ledger_line& line) const {
    line.stored_bytes = value.stored_bytes;
    line.row_end = std::min(rows_, value.rows);
    const auto header = peek(value.key, value.first_bytes);
    if (!header || promised_ == presence::corrupt) {
      line.state = presence::corrupt;
      return;
    }
    line.state = presence::present;
    line.kept = header.value().kept;
    line.errors = header.value().errors;
  }

  site at_;
  presence promised_;
  std::uint32_t rows_;
  std::uint32_t layers_;
  const capture_shape& shape_;
  const chunk_contents& stored_;
};

}  // namespace

std::vector<ledger_line> ledger_of(const chunk_record& chunk,
                                   const capture_shape& shape,
                                   const chunk_contents& stored) {
  const auto rows = static_cast<std::uint32_t>(chunk.tokens.size());
  std::vector<ledger_line> lines;
  site_lines(site::embed, chunk.embed, rows, shape, stored).append_to(lines);
  site_lines(site::resid_post, chunk.resid_post, rows, shape, stored)
      .append_to(lines);
  site_lines(site::final_norm, chunk.final_norm, rows, shape, stored)
      .append_to(lines);
  return lines;
}

std::optional<presence> common_state(const std::vector<ledger_line>& lines,
                                     site at) {
  std::optional<presence> common;
  for (const auto& line : lines) {
    if (line.at != at) continue;
    if (common && *common != line.state) return std::nullopt;
    common = line.state;
  }
  return common;
}

}  // namespace lamina

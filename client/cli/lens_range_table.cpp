// The lens of a range as tables.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "client/cli/lens_table.hpp"
#include "client/cli/text.hpp"

namespace lamina::cli {
namespace {

// " 1234 ·token     " before a row of a range.
constexpr std::size_t place_columns = 18;
// "   40%" of a grid, and what stands before a row of it.
constexpr std::size_t grid_cell_columns = 6;
constexpr std::size_t grid_left_columns = 7;

std::string place_of(const wire::LensPositionT& at) {
  if (!at.token) return std::string(place_columns, ' ');
  return fmt::format(" {:>5} ", at.token->position) +
         fit(visible(text_of(at.token->bytes)), place_columns - 7);
}

bool has_one_layer(const wire::LensPositionT& at) {
  return at.layers.size() == 1;
}

std::size_t beside_place(std::size_t columns) {
  return columns > place_columns ? columns - place_columns : 0;
}

// Where it came from; of a range, its worst position.
std::string origin_of(const wire::LensPositionT& at) {
  return "  from " + harmless(at.source) +
         (at.exact ? ", exact"
                   : fmt::format(", within {:.2g}", at.relative_error));
}

float tracked_log_probability(const wire::LensLayerT& layer,
                              std::size_t index) {
  const auto& all = layer.log_probabilities_of_tracked;
  return index < all.size() ? all[index] : std::log(0.0f);
}

// One block of a token's grid: positions begin .. end-1.
std::string render_grid(const wire::LensResultT& lens, std::size_t token,
                        std::size_t begin, std::size_t end, const style& look) {
  std::string text = fmt::format("{:>{}}", "", grid_left_columns);
  for (auto p = begin; p < end; ++p) {
    const auto& at = lens.positions[p]->token;
    text += fmt::format("{:>{}}", at ? std::to_string(at->position) : "",
                        grid_cell_columns);
  }
  text = look.dim(text) + "\n";
  const std::size_t layers = lens.positions[begin]->layers.size();
  for (std::size_t l = 0; l < layers; ++l) {
    text += fmt::format(" {:>5} ",
                        layer_name(lens.positions[begin]->layers[l]->layer));
    for (auto p = begin; p < end; ++p) {
      const auto& row = lens.positions[p]->layers;
      if (l >= row.size()) continue;
      const float value = tracked_log_probability(*row[l], token);
      text += look.shade(std::exp(value),
                         fit_right(percent(value), grid_cell_columns));
    }
    text += "\n";
  }
  return text;
}

std::string render_tracked(const wire::LensResultT& lens, const style& look,
                           std::size_t columns) {
  const std::size_t room =
      columns > grid_left_columns ? columns - grid_left_columns : 0;
  const std::size_t width = std::max<std::size_t>(1, room / grid_cell_columns);
  std::string text;
  for (std::size_t t = 0; t < lens.tracked.size(); ++t) {
    text += fmt::format(" {} (#{})\n",
                        look.bold(visible(text_of(lens.tracked[t]->bytes))),
                        lens.tracked[t]->id);
    for (std::size_t begin = 0; begin < lens.positions.size(); begin += width)
      text += render_grid(lens, t, begin,
                          std::min(lens.positions.size(), begin + width), look);
  }
  return text;
}

}  // namespace

void take_part(wire::LensResultT& all, wire::LensResultT part) {
  all.conversation = std::move(part.conversation);
  std::move(part.positions.begin(), part.positions.end(),
            std::back_inserter(all.positions));
  if (!part.tracked.empty()) all.tracked = std::move(part.tracked);
  all.positions_done = part.positions_done;
  all.positions_total = part.positions_total;
  all.positions_computed = part.positions_computed;
  all.took_us = part.took_us;
  all.last = part.last;
}

std::string render_lens_rows(const wire::LensPositionT& at, const style& look,
                             std::size_t columns) {
  if (has_one_layer(at))
    return place_of(at) +
           render_layer(*at.layers.front(), look, beside_place(columns));
  std::string text = look.bold(place_of(at)) + look.dim(origin_of(at)) + "\n";
  for (const auto& layer : at.layers)
    text += render_layer(*layer, look, columns);
  return text;
}

std::string render_lens_range(const wire::LensResultT& lens, const style& look,
                              std::size_t columns) {
  if (lens.positions.empty()) return {};
  const auto worst =
      std::max_element(lens.positions.begin(), lens.positions.end(),
                       [](const auto& a, const auto& b) {
                         return a->relative_error < b->relative_error;
                       });
  std::string text = " " + look.bold(lens.conversation) +
                     look.dim(fmt::format("{}, {:.2f} ms", origin_of(**worst),
                                          lens.took_us / 1000.0)) +
                     "\n";
  if (!lens.tracked.empty()) return text + render_tracked(lens, look, columns);
  const bool rows =
      std::all_of(lens.positions.begin(), lens.positions.end(),
                  [](const auto& at) { return has_one_layer(*at); });
  text +=
      std::string(rows ? place_columns : 0, ' ') + render_layer_heading(look);
  for (const auto& at : lens.positions)
    text += render_lens_rows(*at, look, columns);
  return text;
}

}  // namespace lamina::cli

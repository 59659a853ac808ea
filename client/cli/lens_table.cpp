#include "client/cli/lens_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "client/cli/text.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

// A prediction's cell: " token      12% "
constexpr std::size_t token_columns = 11;
constexpr std::size_t cell_columns = token_columns + 7;
// "layer  entropy     kl   rank  next  "
constexpr std::size_t left_columns = 37;

std::string rank_of_next(const wire::LensLayerT& layer, const style& look) {
  if (!layer.next_rated) return std::string(12, ' ');
  const auto rank = fmt::format("{:>6}", layer.rank_of_next);
  const auto probability =
      fmt::format("{:>6}", percent(layer.log_probability_of_next));
  return (layer.rank_of_next == 0 ? look.green(rank) : rank) + probability;
}

std::string render_context(const wire::LensResultT& lens,
                           const wire::LensPositionT& at, const style& look) {
  std::string before;
  for (const auto& token : lens.context)
    before += visible(text_of(token->bytes));
  std::string clicked;
  if (at.token) clicked = visible(text_of(at.token->bytes));
  // Without colour the brackets are what marks it.
  return " " + look.dim(before) +
         (look.has_colour() ? look.reverse(clicked) : "[" + clicked + "]") +
         "\n";
}

std::string render_title(const wire::LensResultT& lens,
                         const wire::LensPositionT& at, const style& look) {
  std::string title = " " + look.bold(lens.conversation);
  if (at.token) title += fmt::format("  position {}", at.token->position);
  std::string origin = "  from " + harmless(at.source);
  origin +=
      at.exact ? ", exact" : fmt::format(", within {:.2g}", at.relative_error);
  origin += fmt::format(", {:.2f} ms", lens.took_us / 1000.0);
  return title + look.dim(origin) + "\n";
}

}  // namespace

std::string percent(float log_probability) {
  const float value = 100 * std::exp(log_probability);
  if (value >= 99.5f) return "100%";
  if (value >= 0.95f) return fmt::format("{:.0f}%", value);
  return value >= 0.05f ? fmt::format(".{:.0f}%", value * 10) : "0%";
}

std::string layer_name(int layer) {
  return layer == embed_layer ? "embed" : std::to_string(layer);
}

std::string render_layer(const wire::LensLayerT& layer, const style& look,
                         std::size_t columns) {
  const std::size_t room = columns > left_columns ? columns - left_columns : 0;
  const std::size_t cells = std::max<std::size_t>(1, room / cell_columns);
  std::string row =
      fmt::format(" {:>5}  {:>7.2f}  {:>6.2f}", layer_name(layer.layer),
                  layer.entropy, layer.kl_to_final);
  row += rank_of_next(layer, look) + "  ";
  const std::size_t shown =
      std::min({cells, layer.texts.size(), layer.log_probabilities.size()});
  for (std::size_t i = 0; i < shown; ++i) {
    const float value = layer.log_probabilities[i];
    row += look.shade(std::exp(value),
                      " " + fit(visible(layer.texts[i]), token_columns) + " " +
                          fit_right(percent(value), 4) + " ");
  }
  return row + "\n";
}

std::string render_layer_heading(const style& look) {
  return look.dim(fmt::format(" {:>5}  {:>7}  {:>6}{:>6}{:>6}   predictions\n",
                              "layer", "entropy", "kl", "rank", "next"));
}

std::string render_lens(const wire::LensResultT& lens, const style& look,
                        std::size_t columns) {
  std::string text;
  for (const auto& position : lens.positions) {
    text += render_title(lens, *position, look);
    text += render_context(lens, *position, look);
    text += render_layer_heading(look);
    for (const auto& layer : position->layers)
      text += render_layer(*layer, look, columns);
  }
  return text;
}

}  // namespace lamina::cli

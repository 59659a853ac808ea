#include "client/cli/search_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "client/cli/text.hpp"
#include "protocol/site.hpp"

namespace lamina::cli {
namespace {

constexpr std::size_t score_columns = 10;
constexpr std::size_t place_columns = 38;
constexpr std::size_t context_columns_min = 24;

/// The end of a line of valid UTF-8 in exactly `columns`, padded on the left.
std::string fit_end(std::string text, std::size_t columns) {
  while (display_width(text) > columns) {
    std::size_t first = 1;
    while (first < text.size() && (text[first] & 0xc0) == 0x80)
      ++first;
    text.erase(0, first);
  }
  return std::string(columns - display_width(text), ' ') + text;
}

std::string keyword_in_context(const wire::SearchHitT& hit, const style& look,
                               std::size_t columns) {
  const auto before = fit_end(visible(text_of(hit.before)), columns / 3);
  auto text = visible(text_of(hit.text));
  if (display_width(text) > columns / 2) text = fit(text, columns / 2);
  const auto marked = look.has_colour() ? look.reverse(text) : "[" + text + "]";
  const auto used = columns / 3 + display_width(text) + 2;
  auto after = visible(text_of(hit.after));
  if (const auto room = columns > used ? columns - used : 0;
      display_width(after) > room)
    after = fit(after, room);
  return look.dim(before) + marked + look.dim(after);
}

/// From 0.1, the worst one shown, to 1, the best.
float place_between(float score, const wire::SearchResultT& found) {
  const float best = found.hits.front()->score;
  const float worst = found.hits.back()->score;
  return best > worst ? 0.1f + 0.9f * (score - worst) / (best - worst) : 1.0f;
}

std::string render_hit(const wire::SearchHitT& hit,
                       const wire::SearchResultT& found, bool ranked,
                       const style& look, std::size_t columns) {
  std::string row;
  if (ranked)
    row += look.shade(place_between(hit.score, found),
                      fmt::format("{:>9.4f} ", hit.score));
  const auto who = static_cast<role>(hit.token ? hit.token->role : 0);
  row += fmt::format(
      " {:<13} {:>8} {:<9} {:>3}  ", harmless(hit.conversation),
      hit.token ? hit.token->position : 0, to_string(who),
      hit.shared_by > 1 ? fmt::format("x{}", hit.shared_by) : std::string());
  const auto left = place_columns + (ranked ? score_columns : 0);
  const auto room = std::max(context_columns_min,
                             columns > left ? columns - left : std::size_t{0});
  return row + keyword_in_context(hit, look, room) + "\n";
}

std::string render_counts(const wire::SearchResultT& found, bool ranked) {
  auto text = ranked ? fmt::format("{} positions scored", found.found)
                     : fmt::format("found in {} places", found.found);
  text += fmt::format(", {} conversations", found.conversations);
  if (found.positions_missing > 0)
    text += fmt::format(", {} positions without stored activations",
                        found.positions_missing);
  if (found.positions_unrankable > 0)
    text +=
        fmt::format(", {} without a finite score", found.positions_unrankable);
  if (found.conversations_passed_over > 0)
    text += fmt::format(", {} conversations of other models passed over",
                        found.conversations_passed_over);
  if (found.conversations_unreadable > 0)
    text += fmt::format(", {} conversations damaged",
                        found.conversations_unreadable);
  if (!found.exact)
    text += fmt::format(", within {:.2g}", found.relative_error);
  return text + fmt::format(", {:.1f} ms", found.took_us / 1000.0);
}

}  // namespace

std::string render_search(const wire::SearchResultT& found, bool ranked,
                          const style& look, std::size_t columns) {
  std::string text;
  if (!found.hits.empty()) {
    text =
        fmt::format(" {:<13} {:>8} {:<9}", "conversation", "position", "role");
    if (ranked) text.insert(0, fmt::format("{:>9} ", "score"));
    text = look.dim(text) + "\n";
  }
  for (const auto& hit : found.hits)
    text += render_hit(*hit, found, ranked, look, columns);
  return text + look.dim(" " + render_counts(found, ranked)) + "\n";
}

std::string render_search_progress(const wire::SearchResultT& found,
                                   bool ranked) {
  const auto percent = found.chunks_total == 0
                           ? 100
                           : 100 * found.chunks_scanned / found.chunks_total;
  auto line = fmt::format("{:>3} %, {} {}", percent, found.found,
                          ranked ? "positions scored" : "places");
  if (ranked && !found.hits.empty())
    line += fmt::format(", best {:.4f}", found.hits.front()->score);
  return line;
}

}  // namespace lamina::cli

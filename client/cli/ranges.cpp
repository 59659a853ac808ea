#include "client/cli/ranges.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

namespace lamina::cli {
namespace {

constexpr std::uint32_t layer_max = std::numeric_limits<std::int16_t>::max();

auto refuse(std::string_view what, std::string_view text,
            std::string_view expected) {
  return fail(error_code::invalid_argument, std::string(what) + " '" +
                                                std::string(text) +
                                                "': " + std::string(expected));
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, problem] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return number;
}

// Calls `take` for each comma-separated word; false from it stops.
template <class Take>
bool each_word(std::string_view text, Take take) {
  for (;;) {
    const auto comma = text.find(',');
    if (!take(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

template <class T>
void append_once(std::vector<T>& values, T value) {
  if (std::find(values.begin(), values.end(), value) == values.end())
    values.push_back(value);
}

bool append_layers(std::vector<std::int16_t>& layers, std::string_view word) {
  if (word == "embed" || word == "-1") {
    append_once(layers, static_cast<std::int16_t>(embed_layer));
    return true;
  }
  const auto colon = word.find(':');
  const auto begin = parse_number(word.substr(0, colon));
  if (!begin || *begin > layer_max) return false;
  std::uint32_t end = *begin + 1;
  if (colon != std::string_view::npos) {
    const auto last = parse_number(word.substr(colon + 1));
    if (!last || *last <= *begin || *last > layer_max + 1) return false;
    end = *last;
  }
  for (std::uint32_t layer = *begin; layer < end; ++layer)
    append_once(layers, static_cast<std::int16_t>(layer));
  return true;
}

}  // namespace

result<position_range> parse_positions(std::string_view text) {
  constexpr auto expected = "expected BEGIN:END, as in 0:16, or one position";
  position_range range;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    const auto only = parse_number(text);
    if (!only || *only == std::numeric_limits<position_t>::max())
      return refuse("positions", text, expected);
    return position_range{*only, *only + 1};
  }
  const auto before = text.substr(0, colon);
  const auto after = text.substr(colon + 1);
  if (!before.empty()) {
    const auto begin = parse_number(before);
    if (!begin) return refuse("positions", text, expected);
    range.begin = *begin;
  }
  if (!after.empty()) {
    range.end = parse_number(after);
    if (!range.end) return refuse("positions", text, expected);
    if (*range.end <= range.begin)
      return refuse("positions", text, "the end must lie after the begin");
  }
  return range;
}

result<std::vector<std::int16_t>> parse_layers(std::string_view text) {
  std::vector<std::int16_t> layers;
  const bool good = each_word(
      text, [&](std::string_view word) { return append_layers(layers, word); });
  if (!good)
    return refuse("layers", text, "expected numbers, as in 0,5,8:12 or embed");
  return layers;
}

result<std::vector<site>> parse_sites(std::string_view text) {
  std::vector<site> sites;
  const bool good = each_word(text, [&](std::string_view word) {
    const auto known = site_from_string(word);
    if (known) append_once(sites, *known);
    return known.has_value();
  });
  if (!good)
    return refuse("sites", text,
                  "expected some of embed, resid_post, final_norm");
  return sites;
}

}  // namespace lamina::cli

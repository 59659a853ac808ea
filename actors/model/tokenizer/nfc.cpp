#include "actors/model/tokenizer/nfc.hpp"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "actors/model/tokenizer/utf8.hpp"

namespace lamina {

namespace {

// Hangul syllables are leading x vowel x trailing, in that order.
constexpr char32_t syllable_base = 0xAC00;
constexpr char32_t leading_base = 0x1100, leading_count = 19;
constexpr char32_t vowel_base = 0x1161, vowel_count = 21;
constexpr char32_t trailing_base = 0x11A7, trailing_count = 28;
constexpr char32_t syllable_count =
    leading_count * vowel_count * trailing_count;

bool within_count(char32_t c, char32_t base, char32_t count) {
  return c >= base && c < base + count;
}

std::uint8_t combining_class(char32_t c) {
  const auto after = std::ranges::upper_bound(combining_ranges, c, {},
                                              &combining_range::begin);
  if (after == combining_ranges.begin()) return 0;
  const combining_range& r = *std::prev(after);
  return c <= r.end ? r.combining_class : 0;
}

struct character {
  char32_t code_point;
  std::uint8_t combining_class;
};

void decompose_syllable(char32_t c, std::vector<character>& out) {
  const char32_t index = c - syllable_base;
  const char32_t trailing = index % trailing_count;
  const char32_t pair = index / trailing_count;
  out.push_back({leading_base + pair / vowel_count, 0});
  out.push_back({vowel_base + pair % vowel_count, 0});
  if (trailing != 0) out.push_back({trailing_base + trailing, 0});
}

/// Recursion ends: the deepest decomposition of the standard has four steps.
void decompose(char32_t c, std::vector<character>& out) {
  if (within_count(c, syllable_base, syllable_count))
    return decompose_syllable(c, out);
  const auto found =
      std::ranges::lower_bound(canonical_pairs, c, {}, &canonical_pair::whole);
  if (found == canonical_pairs.end() || found->whole != c) {
    out.push_back({c, combining_class(c)});
    return;
  }
  decompose(found->first, out);
  if (found->second != 0) decompose(found->second, out);
}

/// Marks between two class-0 characters go in the order of their classes.
void order_marks(std::vector<character>& text) {
  const auto is_starter = [](const character& c) {
    return c.combining_class == 0;
  };
  for (auto at = text.begin(); at != text.end();) {
    const auto marks = std::find_if_not(at, text.end(), is_starter);
    const auto end = std::find_if(marks, text.end(), is_starter);
    std::ranges::stable_sort(marks, end, {}, &character::combining_class);
    at = end;
  }
}

using composition_map = std::unordered_map<std::uint64_t, char32_t>;

std::uint64_t pair_key(char32_t first, char32_t second) {
  return (std::uint64_t{first} << 32) | second;
}

composition_map make_compositions() {
  composition_map map;
  for (const canonical_pair& p : canonical_pairs)
    if (p.composes) map.emplace(pair_key(p.first, p.second), p.whole);
  return map;
}

/// 0 when the two do not compose.
char32_t composed(char32_t first, char32_t second) {
  if (within_count(first, leading_base, leading_count) &&
      within_count(second, vowel_base, vowel_count))
    return syllable_base +
           ((first - leading_base) * vowel_count + (second - vowel_base)) *
               trailing_count;
  if (within_count(first, syllable_base, syllable_count) &&
      (first - syllable_base) % trailing_count == 0 &&
      within_count(second, trailing_base + 1, trailing_count - 1))
    return first + (second - trailing_base);
  static const composition_map compositions = make_compositions();
  const auto found = compositions.find(pair_key(first, second));
  return found == compositions.end() ? 0 : found->second;
}

/// A character joins the last starter unless one of its own class, or a
/// starter, stands between (which blocks it).
void compose(std::vector<character>& text) {
  std::size_t kept = 0;
  std::size_t starter = text.size();  // none yet
  for (const character now : text) {
    const bool adjacent = kept > 0 && starter == kept - 1;
    const bool blocked =
        starter == text.size() ||
        (!adjacent && text[kept - 1].combining_class >= now.combining_class);
    const char32_t whole =
        blocked ? 0 : composed(text[starter].code_point, now.code_point);
    if (whole != 0) {
      text[starter].code_point = whole;
      continue;
    }
    if (now.combining_class == 0) starter = kept;
    text[kept++] = now;
  }
  text.resize(kept);
}

}  // namespace

bool is_plainly_nfc(std::string_view text) {
  // 0xCC begins U+0300; continuation bytes are smaller.
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) >= 0xCC; });
}

std::string to_nfc(std::string_view text) {
  if (is_plainly_nfc(text)) return std::string(text);
  std::vector<character> characters;
  characters.reserve(text.size());
  while (!text.empty()) {
    const utf8_step step = first_of_utf8(text);
    decompose(step.code_point, characters);
    text.remove_prefix(step.length);
  }
  order_marks(characters);
  compose(characters);
  std::string out;
  for (const character& c : characters)
    append_utf8(out, c.code_point);
  return out;
}

}  // namespace lamina

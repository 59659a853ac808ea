#include "client/cli/text.hpp"

#include <array>

namespace lamina::cli {
namespace {

constexpr char32_t replacement = 0xfffd;

// One character of UTF-8, or one byte that is none.
struct decoded {
  char32_t character = replacement;
  std::size_t bytes = 1;
  bool valid = false;
};

// After table 3-7 of the Unicode standard: overlong forms, surrogates and
// what lies beyond U+10FFFF are not valid.
decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  char32_t character = first & (0xff >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    character = (character << 6) | (byte(i) & 0x3f);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  if (character < smallest[size] || surrogate || character > 0x10ffff)
    return {};
  return {character, size, true};
}

void append(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      put(0xe0 | (c >> 12));
    } else {
      put(0xf0 | (c >> 18));
      put(0x80 | ((c >> 12) & 0x3f));
    }
    put(0x80 | ((c >> 6) & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

template <class Visit>
void each_character(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const decoded next = decode(text);
    visit(next);
    text.remove_prefix(next.bytes);
  }
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

// Control pictures, U+2400 and on; the second control block has none.
char32_t picture_of(char32_t control) {
  if (control < 0x20) return 0x2400 + control;
  return control == 0x7f ? 0x2421 : replacement;
}

// Direction overrides and isolates can reorder a line to say something else.
bool reorders(char32_t c) {
  return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

struct interval {
  char32_t first, last;
};

// Combining marks and zero-width characters that vocabularies hold (Unicode
// 15, blocks rather than single characters).
constexpr std::array<interval, 9> zero_width{{{0x0300, 0x036f},
                                              {0x0483, 0x0489},
                                              {0x0591, 0x05bd},
                                              {0x0610, 0x061a},
                                              {0x064b, 0x065f},
                                              {0x200b, 0x200f},
                                              {0x20d0, 0x20f0},
                                              {0xfe00, 0xfe0f},
                                              {0xfe20, 0xfe2f}}};
// Unicode Standard Annex 11: wide and fullwidth blocks.
constexpr std::array<interval, 8> double_width{{{0x1100, 0x115f},
                                                {0x2e80, 0xa4cf},
                                                {0xac00, 0xd7a3},
                                                {0xf900, 0xfaff},
                                                {0xfe30, 0xfe6f},
                                                {0xff00, 0xff60},
                                                {0x1f300, 0x1faff},
                                                {0x20000, 0x3fffd}}};

template <std::size_t N>
bool lies_in(const std::array<interval, N>& intervals, char32_t c) {
  for (const auto& [first, last] : intervals)
    if (c >= first && c <= last) return true;
  return false;
}

std::size_t width_of(char32_t c) {
  if (lies_in(zero_width, c)) return 0;
  return lies_in(double_width, c) ? 2 : 1;
}

std::string cut(std::string_view text, std::size_t columns) {
  std::string kept;
  std::size_t used = 0;
  bool full = columns == 0;
  each_character(text, [&](const decoded& next) {
    full = full || used + width_of(next.character) + 1 > columns;
    if (full) return;
    used += width_of(next.character);
    append(kept, next.character);
  });
  if (columns > 0) kept += "…";
  // A wide character may have left one column free.
  if (columns > 0) kept.append(columns - used - 1, ' ');
  return kept;
}

}  // namespace

std::string_view text_of(const std::vector<std::uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_valid_utf8(std::string_view bytes) {
  bool valid = true;
  each_character(bytes,
                 [&](const decoded& next) { valid = valid && next.valid; });
  return valid;
}

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  each_character(bytes,
                 [&](const decoded& next) { append(text, next.character); });
  return text;
}

std::size_t complete_prefix(std::string_view bytes) {
  // A character is at most 4 bytes: look for a lead among the last 3 that
  // announces more than are there.
  for (std::size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    const std::size_t size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    const bool lead = byte >= 0xc2 && byte <= 0xf4;
    return lead && size > back ? bytes.size() - back : bytes.size();
  }
  return bytes.size();
}

std::string harmless(std::string_view bytes) {
  std::string text;
  each_character(bytes, [&](const decoded& next) {
    char32_t c = next.character;
    if (is_control(c) && c != '\n' && c != '\t') c = picture_of(c);
    append(text, reorders(c) ? replacement : c);
  });
  return text;
}

std::string visible(std::string_view bytes) {
  std::string text;
  for (const char c : harmless(bytes)) {
    if (c == ' ')
      text += "·";
    else if (c == '\n')
      text += "↵";
    else if (c == '\t')
      text += "→";
    else
      text += c;
  }
  return text;
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  each_character(
      text, [&](const decoded& next) { columns += width_of(next.character); });
  return columns;
}

std::string fit(std::string_view text, std::size_t columns) {
  const std::size_t width = display_width(text);
  if (width > columns) return cut(text, columns);
  return std::string(text) + std::string(columns - width, ' ');
}

std::string fit_right(std::string_view text, std::size_t columns) {
  const std::size_t width = display_width(text);
  if (width > columns) return cut(text, columns);
  return std::string(columns - width, ' ') + std::string(text);
}

}  // namespace lamina::cli

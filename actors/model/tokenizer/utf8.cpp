#include "actors/model/tokenizer/utf8.hpp"

namespace lamina {

namespace {

/// What a lead byte announces: the whole length and the second byte's range,
/// which is where overlong forms, surrogates and values beyond U+10FFFF fail.
struct lead {
  std::size_t length = 0;  // 0: no lead byte
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xBF;
};

lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

}  // namespace

utf8_step first_of_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const lead l = lead_of(byte(0));
  if (l.length == 0) return {utf8_kind::invalid, 1};
  if (l.length == 1) return {utf8_kind::character, 1, byte(0)};
  char32_t code_point = byte(0) & (0x7Fu >> l.length);
  for (std::size_t i = 1; i < l.length; ++i) {
    if (i == text.size()) return {utf8_kind::incomplete, i};
    const unsigned char min = i == 1 ? l.second_min : 0x80;
    const unsigned char max = i == 1 ? l.second_max : 0xBF;
    if (byte(i) < min || byte(i) > max) return {utf8_kind::invalid, i};
    code_point = (code_point << 6) | (byte(i) & 0x3Fu);
  }
  return {utf8_kind::character, l.length, code_point};
}

utf8_step last_of_utf8(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
    --begin;
  return first_of_utf8(text.substr(begin));
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const utf8_step step = first_of_utf8(text.substr(at));
    if (step.kind != utf8_kind::character) break;
    at += step.length;
  }
  return at;
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
    return put(0x80 | (c & 0x3F));
  }
  if (c < 0x10000) {
    put(0xE0 | (c >> 12));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
  }
  put(0x80 | ((c >> 6) & 0x3F));
  put(0x80 | (c & 0x3F));
}

}  // namespace lamina

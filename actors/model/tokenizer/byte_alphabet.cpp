#include "actors/model/tokenizer/byte_alphabet.hpp"

#include <array>

#include "actors/model/tokenizer/utf8.hpp"

namespace lamina {

namespace {

constexpr char32_t first_stand_in = 0x100;
constexpr char32_t stand_ins = 256 - 94 - 12 - 82;  // bytes not printable

constexpr bool is_printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
         byte >= 0xAE;
}

struct alphabet {
  std::array<char32_t, 256> character{};
  std::array<std::uint8_t, first_stand_in + stand_ins> byte{};
};

constexpr alphabet make_alphabet() {
  alphabet a;
  char32_t next = first_stand_in;
  for (unsigned b = 0; b < 256; ++b) {
    a.character[b] = is_printable(b) ? b : next++;
    a.byte[a.character[b]] = static_cast<std::uint8_t>(b);
  }
  return a;
}

constexpr alphabet gpt2 = make_alphabet();

bool in_alphabet(char32_t c) {
  return c < gpt2.byte.size() && gpt2.character[gpt2.byte[c]] == c;
}

}  // namespace

std::string character_of_byte(std::uint8_t byte) {
  std::string out;
  append_utf8(out, gpt2.character[byte]);
  return out;
}

std::optional<std::string> bytes_of_spelling(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const utf8_step step = first_of_utf8(token);
    if (step.kind != utf8_kind::character || !in_alphabet(step.code_point))
      return std::nullopt;
    bytes += static_cast<char>(gpt2.byte[step.code_point]);
    token.remove_prefix(step.length);
  }
  return bytes;
}

}  // namespace lamina

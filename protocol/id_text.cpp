#include "protocol/id_text.hpp"

namespace lamina {
namespace {

// Without i, l, o and u.
constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int bits_per_digit = 5;

std::optional<char> canonical(char c) {
  if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (c == 'o') return '0';
  if (c == 'i' || c == 'l') return '1';
  if (digits.find(c) == std::string_view::npos) return std::nullopt;
  return c;
}

}  // namespace

std::string conversation_text(std::uint64_t id) {
  std::string text(conversation_text_size, '0');
  for (std::size_t i = text.size(); i-- > 0; id >>= bits_per_digit)
    text[i] = digits[id & 31];
  return text;
}

std::optional<std::string> canonical_digits(std::string_view text) {
  std::string canonical_text;
  for (char c : text) {
    const auto digit = canonical(c);
    if (!digit) return std::nullopt;
    canonical_text += *digit;
  }
  return canonical_text;
}

std::optional<std::uint64_t> parse_conversation(std::string_view text) {
  if (text.size() != conversation_text_size) return std::nullopt;
  const auto canonical_text = canonical_digits(text);
  if (!canonical_text) return std::nullopt;
  // 13 digits are 65 bits: the first must not use the highest.
  if (digits.find(canonical_text->front()) >= 16) return std::nullopt;
  std::uint64_t id = 0;
  for (char c : *canonical_text)
    id = (id << bits_per_digit) | digits.find(c);
  return id;
}

}  // namespace lamina

// UTF-8, one character at a time. Pure functions; any thread.
//
// Follows the Unicode standard, table 3-7 (well-formed byte sequences) and
// its practice of replacing maximal subparts of ill-formed sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lamina {

enum class utf8_kind : std::uint8_t {
  character,   // `length` bytes are one character
  invalid,     // `length` bytes can never become one
  incomplete,  // the text ends inside something that may become one
};

struct utf8_step {
  utf8_kind kind = utf8_kind::invalid;
  std::size_t length = 0;   // bytes, at least 1
  char32_t code_point = 0;  // of a character
};

/// What stands at the front of `text`, which is not empty.
utf8_step first_of_utf8(std::string_view text);

/// The last character of `text`; nothing but well-formed UTF-8, not empty.
utf8_step last_of_utf8(std::string_view text);

/// Bytes at the front of `text` that are well-formed characters.
std::size_t valid_utf8_prefix(std::string_view text);

void append_utf8(std::string& out, char32_t code_point);

}  // namespace lamina

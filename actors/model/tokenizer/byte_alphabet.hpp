// GPT-2's alphabet of 256 printable characters, one a byte, in which
// byte-level vocabularies and merges are written (a space is U+0120 there).
// Pure functions; any thread.
//
// Source: OpenAI's GPT-2 encoder, `bytes_to_unicode`: printable Latin-1 bytes
// stand for themselves, the others follow from U+0100 on in their order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lamina {

/// The character of a byte, in UTF-8.
std::string character_of_byte(std::uint8_t byte);

/// The bytes that `token` spells; empty when a character of it is not in the
/// alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view token);

}  // namespace lamina

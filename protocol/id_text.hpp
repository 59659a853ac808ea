// How a conversation's 64-bit id is written for people: 13 characters of
// Crockford's base32 in lower case (https://www.crockford.com/base32.html),
// most significant first, so that text and number sort alike. The same form
// is on the wire, on the command line and in documents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lamina {

inline constexpr std::size_t conversation_text_size = 13;

/// conversation_text(0) == "0000000000000".
std::string conversation_text(std::uint64_t id);

/// Nothing when `text` is not exactly 13 digits or exceeds 64 bits. Upper
/// case is accepted, and o for 0, i and l for 1.
std::optional<std::uint64_t> parse_conversation(std::string_view text);

/// `text` in the form conversation_text writes, for comparing prefixes;
/// nothing when a character is no digit.
std::optional<std::string> canonical_digits(std::string_view text);

}  // namespace lamina

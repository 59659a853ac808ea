// Text for terminals and documents: token bytes may be half a character, a
// model may write escape sequences, and a space must be seen. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::cli {

std::string_view text_of(const std::vector<std::uint8_t>& bytes);

bool is_valid_utf8(std::string_view bytes);

/// `bytes` with every byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string_view bytes);

/// Bytes at the front of `bytes` that do not end inside a character: what of
/// a stream can be shown before more of it comes.
std::size_t complete_prefix(std::string_view bytes);

/// One line in which everything is seen: space as "·", line feed as "↵", tab
/// as "→", other control characters as their pictures, invalid bytes as
/// U+FFFD.
std::string visible(std::string_view bytes);

/// Valid UTF-8 that cannot command a terminal: control characters other than
/// line feed and tab become pictures.
std::string harmless(std::string_view bytes);

/// Columns that valid UTF-8 without control characters takes on a terminal:
/// combining marks none, East Asian wide characters and emoji two.
std::size_t display_width(std::string_view text);

/// `text` (one line) in exactly `columns`: padded with spaces, or cut with an
/// ellipsis in the last column.
std::string fit(std::string_view text, std::size_t columns);

/// The same with the padding in front.
std::string fit_right(std::string_view text, std::size_t columns);

}  // namespace lamina::cli

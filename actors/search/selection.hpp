// Which positions of a conversation a search is about: those in a range, of a
// role, and where a text stands. A text is looked for in the conversation's
// exact bytes, so it may lie across tokens. Pure; any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/store/records.hpp"

namespace lamina {

/// How a text meets tokens. Numbers are frozen: they are on the wire.
enum class text_match : std::uint8_t {
  across = 1,  // anywhere: every token that an occurrence touches
  within = 2,  // tokens that contain it
  whole = 3,   // tokens that are it
};

/// What a position must meet to be searched.
struct restriction {
  std::optional<role> who;
  position_t begin = 0;
  position_t end = std::numeric_limits<position_t>::max();  // exclusive
  std::string text;                                         // empty: any
  text_match match = text_match::across;

  bool any_token() const { return !who && text.empty(); }
};

/// Tokens that an occurrence of the text touches.
struct text_place {
  position_t first = 0;
  std::uint32_t tokens = 1;

  position_t last() const { return first + tokens - 1; }
  friend bool operator==(const text_place&, const text_place&) = default;
};

/// Where the text stands, in order, each stretch of tokens once. The first
/// token must meet the other restrictions; the text must not be empty.
std::vector<text_place> find_text(std::span<const chunk_record> chunks,
                                  const restriction& where);

/// Bit r of element c: row r of chunk c meets the restriction.
std::vector<std::uint32_t> select_rows(std::span<const chunk_record> chunks,
                                       const restriction& where);

/// Bits of the rows where the given places end.
std::vector<std::uint32_t> last_rows(std::size_t chunks,
                                     std::span<const text_place> places);

}  // namespace lamina

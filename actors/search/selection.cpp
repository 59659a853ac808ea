#include "actors/search/selection.hpp"

#include <algorithm>
#include <string_view>

namespace lamina {
namespace {

/// Visits every token with its position.
template <class Visit>
void each_token(std::span<const chunk_record> chunks, Visit visit) {
  position_t position = 0;
  for (const auto& chunk : chunks)
    for (const auto& token : chunk.tokens)
      visit(position++, token);
}

bool meets_place(const restriction& where, position_t position,
                 const token_record& token) {
  return position >= where.begin && position < where.end &&
         (!where.who || token.who == *where.who);
}

bool meets_text(const restriction& where, const token_record& token) {
  if (where.match == text_match::whole) return token.bytes == where.text;
  return token.bytes.find(where.text) != std::string::npos;
}

/// A conversation's bytes, and where each token begins in them.
struct flat_text {
  std::string bytes;
  std::vector<std::size_t> begins;  // of each token

  explicit flat_text(std::span<const chunk_record> chunks) {
    each_token(chunks, [this](position_t, const token_record& token) {
      begins.push_back(bytes.size());
      bytes += token.bytes;
    });
  }

  /// The token that holds this byte, which is in `from` or behind it: the last
  /// that begins at or before it. Tokens without bytes hold none.
  position_t token_at(std::size_t byte, position_t from) const {
    while (from + 1 < begins.size() && begins[from + 1] <= byte)
      ++from;
    return from;
  }
};

/// borders[i]: how long the longest beginning of the text is that also ends its
/// first i + 1 bytes, without being all of them.
std::vector<std::size_t> borders_of(std::string_view text) {
  std::vector<std::size_t> borders(text.size());
  for (std::size_t i = 1, same = 0; i < text.size(); ++i) {
    while (same > 0 && text[i] != text[same])
      same = borders[same - 1];
    if (text[i] == text[same]) ++same;
    borders[i] = same;
  }
  return borders;
}

/// Every occurrence, also where they overlap, in one walk over the bytes that
/// never goes back (Knuth, Morris and Pratt): no text makes it slow.
std::vector<text_place> find_across(std::span<const chunk_record> chunks,
                                    std::string_view text) {
  const flat_text flat(chunks);
  const auto borders = borders_of(text);
  std::vector<text_place> places;
  position_t first = 0;
  position_t last = 0;
  std::size_t same = 0;
  for (std::size_t i = 0; i < flat.bytes.size(); ++i) {
    while (same > 0 && flat.bytes[i] != text[same])
      same = borders[same - 1];
    if (flat.bytes[i] == text[same]) ++same;
    if (same < text.size()) continue;
    first = flat.token_at(i + 1 - text.size(), first);
    last = flat.token_at(i, last);
    same = borders[same - 1];
    const text_place place{first, last - first + 1};
    if (places.empty() || !(places.back() == place)) places.push_back(place);
  }
  return places;
}

const token_record& token_at(std::span<const chunk_record> chunks,
                             position_t position) {
  return chunks[chunk_of(position)].tokens[row_in_chunk(position)];
}

}  // namespace

std::vector<text_place> find_text(std::span<const chunk_record> chunks,
                                  const restriction& where) {
  std::vector<text_place> places;
  if (where.match != text_match::across) {
    each_token(chunks, [&](position_t position, const token_record& token) {
      if (meets_place(where, position, token) && meets_text(where, token))
        places.push_back({position, 1});
    });
    return places;
  }
  for (const auto& place : find_across(chunks, where.text))
    if (meets_place(where, place.first, token_at(chunks, place.first)))
      places.push_back(place);
  return places;
}

std::vector<std::uint32_t> select_rows(std::span<const chunk_record> chunks,
                                       const restriction& where) {
  std::vector<std::uint32_t> rows(chunks.size());
  const auto add = [&](position_t position) {
    rows[chunk_of(position)] |= 1u << row_in_chunk(position);
  };
  if (!where.text.empty() && where.match == text_match::across) {
    // Places overlap, but both of their ends only move forward.
    position_t seen_end = 0;
    for (const auto& place : find_across(chunks, where.text)) {
      for (auto p = std::max(place.first, seen_end); p <= place.last(); ++p)
        if (meets_place(where, p, token_at(chunks, p))) add(p);
      seen_end = place.last() + 1;
    }
    return rows;
  }
  each_token(chunks, [&](position_t position, const token_record& token) {
    if (meets_place(where, position, token) &&
        (where.text.empty() || meets_text(where, token)))
      add(position);
  });
  return rows;
}

std::vector<std::uint32_t> last_rows(std::size_t chunks,
                                     std::span<const text_place> places) {
  std::vector<std::uint32_t> rows(chunks);
  for (const auto& place : places)
    rows[chunk_of(place.last())] |= 1u << row_in_chunk(place.last());
  return rows;
}

}  // namespace lamina

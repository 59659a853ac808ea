#include "actors/search/selection.hpp"

#include <algorithm>
#include <functional>
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

  /// The token that holds this byte: the last that begins at or before it.
  /// Tokens without bytes hold none.
  position_t token_at(std::size_t byte) const {
    const auto after = std::upper_bound(begins.begin(), begins.end(), byte);
    return static_cast<position_t>(after - begins.begin()) - 1;
  }
};

/// Every occurrence, also where they overlap.
std::vector<text_place> find_across(std::span<const chunk_record> chunks,
                                    std::string_view text) {
  const flat_text flat(chunks);
  const std::boyer_moore_horspool_searcher wanted(text.begin(), text.end());
  std::vector<text_place> places;
  for (auto from = flat.bytes.begin();;) {
    const auto found = std::search(from, flat.bytes.end(), wanted);
    if (found == flat.bytes.end()) return places;
    const auto begin = static_cast<std::size_t>(found - flat.bytes.begin());
    const auto first = flat.token_at(begin);
    const auto last = flat.token_at(begin + text.size() - 1);
    const text_place place{first, last - first + 1};
    if (places.empty() || !(places.back() == place)) places.push_back(place);
    from = found + 1;
  }
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
    for (const auto& place : find_across(chunks, where.text))
      for (auto p = place.first; p <= place.last(); ++p)
        if (meets_place(where, p, token_at(chunks, p))) add(p);
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

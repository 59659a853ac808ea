#include "actors/search/stored_scores.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace lamina {

value_key key_of_layer(const digest& chunk, site at, std::uint32_t layer,
                       const capture_shape& shape) {
  const auto first =
      is_per_layer(at) ? layer - layer % layers_per_value(shape) : 0;
  return {chunk, at, static_cast<std::uint16_t>(first)};
}

result<chunk_scores> stored_scores::score(const scorer& query,
                                          const stored_value& value,
                                          std::uint32_t layer,
                                          std::uint32_t wanted,
                                          const codebook* book) {
  BOOST_OUTCOME_TRY(header, check(value.key, value.bytes));
  if (header.shape.width != query.width())
    return fail(error_code::corrupt,
                "a stored value of width " +
                    std::to_string(header.shape.width) + " where " +
                    std::to_string(query.width()) + " was expected");
  chunk_scores found;
  found.relative_error = header.errors.row;
  const std::uint32_t held = wanted & ((1u << header.rows) - 1);
  found.missing = wanted & ~held;
  if (held == 0) return found;
  const auto begin = static_cast<std::uint32_t>(std::countr_zero(held));
  const auto end = static_cast<std::uint32_t>(std::bit_width(held));
  rows_.resize((end - begin) * header.shape.row_bytes());
  BOOST_OUTCOME_TRYV(
      decode_rows(header, value.bytes, layer, begin, end, rows_, book));
  query.score(rows_, header.shape.element,
              std::span(found.scores).subspan(begin, end - begin));
  for (auto row = begin; row < end; ++row) {
    const std::uint32_t bit = held & 1u << row;
    (std::isnan(found.scores[row]) ? found.unranked : found.scored) |= bit;
  }
  return found;
}

}  // namespace lamina

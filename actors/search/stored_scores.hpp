// Scores of the positions that one stored value holds: checks the value,
// decodes the asked layer alone, scores its rows. One object per thread keeps
// the memory that decoding needs.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "actors/chunks/stored_value.hpp"
#include "actors/codec/codec.hpp"
#include "actors/search/scorer.hpp"

namespace lamina {

/// The stored value that holds a layer of a chunk. `layer` counts only for
/// sites that are per layer.
value_key key_of_layer(const digest& chunk, site at, std::uint32_t layer,
                       const capture_shape& shape);

struct chunk_scores {
  std::uint32_t scored = 0;    // bit r: scores[r] is a number
  std::uint32_t unranked = 0;  // bit r: row r has no rank
  std::uint32_t missing = 0;   // bit r: the value does not hold row r
  std::array<float, chunk_positions> scores{};
  float relative_error = 0;  // of the stored rows; 0: exact
};

class stored_scores {
 public:
  /// The rows of which `wanted` has a bit. corrupt when the value fails its
  /// checks, has another width than the query, or needs another code book than
  /// `book`.
  result<chunk_scores> score(const scorer& query, const stored_value& value,
                             std::uint32_t layer, std::uint32_t wanted,
                             const codebook* book = nullptr);

 private:
  std::vector<std::byte> rows_;
};

}  // namespace lamina

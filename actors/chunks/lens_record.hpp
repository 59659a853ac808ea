// Lens records: what each layer would have predicted at a position.
//
// The logit lens (nostalgebraist 2020) reads the residual stream after a layer
// through the model's own final norm, head, logit scale and soft-cap. For each
// (position, layer) a record keeps the top k tokens with log-probabilities,
// the entropy of the distribution, its Kullback-Leibler divergence to the
// model's final distribution, and how it rated the token that came next.
//
// "The token that came next" is unknown when a position is the last one. So
// the rating is kept with that next token: record p says how layer l at p-1
// rated token p. A record then depends only on tokens up to p, and records of
// shared prefixes are shared like activations.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "actors/chunks/chunk_key.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Predictions kept per (position, layer).
inline constexpr std::uint32_t lens_top_k = 10;

/// How a distribution rated one token.
struct token_rating {
  std::uint32_t rank = 0;     // 0: its first choice
  float log_probability = 0;  // natural logarithm
};

struct lens_record {
  std::uint32_t top_ids[lens_top_k];
  float top_log_probabilities[lens_top_k];  // natural, descending
  float entropy = 0;                        // nats
  float kl_to_final = 0;  // KL(layer || final), nats; 0 at the last layer
  token_rating of_this;   // what position p-1 thought of token p
};
static_assert(sizeof(lens_record) == 4 * (2 * lens_top_k + 4));

/// Records of up to 16 positions of one chunk, all layers: the embedding
/// first, then layers 0 .. layers-1. Immutable once shared; a vocabulary with
/// fewer than k tokens fills the rest of top_ids with `no_token`.
///
/// Layout: [row][layers + 1].
struct lens_block {
  std::uint32_t layers = 0;
  std::uint32_t rows = 0;      // rows 0 .. rows-1 may be present
  std::uint32_t complete = 0;  // bit r: row r's predictions are there
  std::uint32_t rated = 0;     // bit r: row r's `of_this` is there
  std::vector<lens_record> records;

  /// `layer` counts from -1, the embedding.
  const lens_record& at(std::uint32_t row, int layer) const {
    return records[row * (layers + 1) + static_cast<std::uint32_t>(layer + 1)];
  }
  lens_record& at(std::uint32_t row, int layer) {
    return records[row * (layers + 1) + static_cast<std::uint32_t>(layer + 1)];
  }
};

/// Records of consecutive positions, as the lens computes them: the way from
/// there into blocks. Layout: [position][layers + 1].
struct lens_rows {
  position_t first = 0;
  std::uint32_t layers = 0;
  bool first_rated = false;  // `of_this` of the first position is known; of
                             // all later ones it always is
  std::vector<lens_record> records;

  std::uint32_t count() const {
    return static_cast<std::uint32_t>(records.size() / (layers + 1));
  }
};

using lens_rows_ptr = std::shared_ptr<const lens_rows>;
using lens_block_ptr = std::shared_ptr<const lens_block>;

inline constexpr std::uint32_t no_token = 0xffffffff;

/// An empty block with room for 16 rows.
lens_block make_lens_block(std::uint32_t layers);

/// Takes over from `other` every row and rating that `into` lacks.
void merge(lens_block& into, const lens_block& other);

/// Takes over those of `rows` that lie in the chunk which begins at
/// `chunk_first`.
void merge(lens_block& into, position_t chunk_first, const lens_rows& rows);

/// Little-endian bytes, documented in docs/storage-format.md, and back.
std::vector<std::byte> encode(const lens_block& block);
result<lens_block> decode_lens_block(std::span<const std::byte> bytes);

}  // namespace lamina

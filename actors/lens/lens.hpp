// The logit lens over captured rows (nostalgebraist 2020): top k, entropy, KL
// to the final distribution, and the rating of the token that came next.
//
// Pure functions over float rows; no thread of their own. The engine uses
// `record_of` and `rate_row` on logits it has anyway (eager); the lens actors
// use `compute_lens` on raw chunks (deferred, on demand).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/lens/distribution.hpp"
#include "actors/lens/output_head.hpp"

namespace lamina {

/// logits: float [layers + 1][vocabulary] of one position, embedding first,
/// the model's own last. Fills `out[0 .. layers]` but for `of_this`.
void summarise(std::span<const float> logits, std::uint32_t vocabulary,
               std::span<lens_record> out);

/// How each row of `logits` (as above) rates `token`.
void rate(std::span<const float> logits, std::uint32_t vocabulary,
          token_id token, std::span<token_rating> out);

/// The same, faster, where `summarise` has already seen the logits.
void rate(std::span<const float> logits, std::uint32_t vocabulary,
          std::span<const lens_record> summarised, token_id token,
          std::span<token_rating> out);

/// The same in pieces, for a caller that spreads the rows over threads.
/// `layer` is the distribution of one row, with the last row as its reference,
/// `last` that of the last row.
lens_record record_of(const distribution& layer, const distribution& last,
                      bool is_last);
token_rating rate_row(std::span<const float> row, const distribution& of_row,
                      token_id token);

/// Widens what the lens reads of one position, embed and resid_post of every
/// layer, into float [layers + 1][width].
void gather_residuals(const raw_chunk& chunk, std::uint32_t row,
                      std::span<float> out);

/// Positions whose logits of all layers fit into `lens_slice_bytes`; at
/// least 1. Work on many positions is cut into slices of as many.
std::uint32_t lens_slice_positions(std::uint32_t layers,
                                   std::uint32_t vocabulary);

/// What one slice of logits may take.
inline constexpr std::size_t lens_slice_bytes = std::size_t{32} << 20;

/// What `compute_lens` reads.
struct lens_input {
  ready_rows rows;         // the positions to compute
  ready_rows predecessor;  // the chunk with the position before; may be empty
  std::vector<token_id> tokens;  // ids of the positions in `rows`, in order
};

/// Records of every position in `in.rows`. The first is rated when the
/// predecessor's last row is there.
lens_rows compute_lens(const output_head& head, const lens_input& in,
                       int threads);

}  // namespace lamina

// Readouts: what lens records do not keep. Any number of predictions, how
// chosen tokens are rated, some layers only, through a tuned lens or the
// model's own end. The numbers are made as those of records are (lens.hpp), so
// ten predictions through no maps are the records' own.
//
// Pure; no thread of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/lens/lens_maps.hpp"
#include "actors/lens/output_head.hpp"

namespace lamina {

struct readout_query {
  std::vector<std::uint32_t> slots;  // as in raw_chunk: 0 the embedding
  std::uint32_t top_k = lens_top_k;
  std::vector<token_id> tracked;  // all below the vocabulary's size
  lens_maps_ptr maps;             // null: the model's own end alone
};

/// Positions that one `read_out` should take at most: their logits, of the
/// slots asked for and the last layer, fit into `lens_slice_bytes`.
std::uint32_t readout_slice_positions(const readout_query& query,
                                      std::uint32_t vocabulary);

/// One layer at one position.
struct layer_readout {
  std::vector<token_id> top_ids;  // descending; the lower id first on a tie
  std::vector<float> top_log_probabilities;  // natural
  std::vector<token_rating> tracked;
  token_rating next;      // of the token that came next
  float entropy = 0;      // nats
  float kl_to_final = 0;  // to the model's own final distribution, nats
};

/// Layout: [position][slot of the query]. A layer has fewer predictions than
/// asked for where the vocabulary has fewer, or logits are no numbers.
using readout = std::vector<layer_readout>;
using readout_ptr = std::shared_ptr<const readout>;

/// rows: of the slots asked for and of the last layer.
/// next: the token after each position; `no_token`: not known, not rated.
readout read_out(const output_head& head, const readout_query& query,
                 const ready_rows& rows, std::span<const token_id> next,
                 int threads);

}  // namespace lamina

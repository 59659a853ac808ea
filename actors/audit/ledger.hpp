// The ledger at full fidelity: what became of every (position, layer, site) of
// a chunk, from what the chunk's record promises and what the store has under
// its name. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/codec.hpp"
#include "actors/store/contents.hpp"
#include "actors/store/records.hpp"

namespace lamina {

/// Layers and rows of one site that share a fate. Sites that are not per layer
/// have layers 0 to 1.
struct ledger_line {
  site at = site::resid_post;
  std::uint32_t layer_begin = 0;
  std::uint32_t layer_end = 0;
  std::uint32_t row_begin = 0;
  std::uint32_t row_end = 0;
  presence state = presence::never_asked;
  std::optional<quality> kept;     // of what is present
  row_errors errors;               // of the worst row; 0: exact
  std::uint64_t stored_bytes = 0;  // of what is present or corrupt
};

/// Lines of all sites, in the order embed, resid_post, final_norm, then by
/// layer, then by row; together they cover each row and layer once. What is
/// there is `present`, whatever the record promises, unless that says corrupt;
/// what is promised `present` and not there is evicted or else corrupt.
std::vector<ledger_line> ledger_of(const chunk_record& chunk,
                                   const capture_shape& shape,
                                   const chunk_contents& stored);

/// The state that all lines of the site share; none: they differ.
std::optional<presence> common_state(const std::vector<ledger_line>& lines,
                                     site at);

}  // namespace lamina

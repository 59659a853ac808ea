// Messages of the search actor: a search in slices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/messages/message.hpp"
#include "actors/search/hits.hpp"
#include "actors/search/scorer.hpp"
#include "actors/search/selection.hpp"
#include "actors/store/records.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// One search, as all its slices see it. While it lives, it is running.
struct search_query {
  std::optional<scorer> ranking;  // none: the text's places are the hits
  site at = site::resid_post;
  std::uint32_t layer = 0;
  std::size_t top = 0;
  restriction where;
};

using search_query_ptr = std::shared_ptr<const search_query>;

/// Reads what is on disk of conversations `begin` and on, as many as fit a
/// slice, and picks the rows that the search is about.
struct read_history {
  search_query_ptr query;
  std::shared_ptr<const std::vector<conversation_id>> ids;
  std::size_t begin = 0;
};

struct history_conversation {
  conversation_id id = 0;
  std::vector<chunk_record> chunks;
  std::vector<text_place> places;   // without ranking
  std::vector<std::uint32_t> rows;  // of each chunk, to be scored; or where
                                    // the places end
};

using history_ptr = std::shared_ptr<const history_conversation>;

/// One for each id from `begin` on; fewer than were left when a slice is full.
/// not_found: deleted meanwhile.
using history_read = std::vector<result<history_ptr>>;

/// Rows of one chunk to be scored.
struct chunk_rows {
  digest name;
  capture_shape shape;
  std::uint32_t chunk = 0;
  std::uint32_t rows = 0;          // bit r: row r is wanted
  std::uint32_t conversation = 0;  // its place in the search
};

/// Scores chunks from `begin` on, as many as fit a slice.
struct score_chunks {
  search_query_ptr query;
  std::shared_ptr<const std::vector<chunk_rows>> chunks;
  std::size_t begin = 0;
};

struct chunks_scored {
  std::size_t end = 0;           // chunks begin .. end-1 are done
  std::vector<search_hit> hits;  // the best of them
  std::uint64_t scored = 0;      // positions
  std::uint64_t missing = 0;
  std::uint64_t unranked = 0;
  float relative_error = 0;
  struct damage {
    std::size_t chunk = 0;  // its place among the chunks
    std::string what;
  };
  std::vector<damage> damages;
};

using scoring_result = result<chunks_scored>;

struct get_search_status {};

struct search_status {
  std::uint64_t running = 0;
  std::uint64_t searches = 0;
  std::uint64_t positions_scored = 0;
  std::uint64_t slices = 0;
};

}  // namespace lamina

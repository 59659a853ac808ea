// What the catalog is told of chunks: by turns as they write, by readers, and
// by the disk. A writer is told of its own conversation's, too.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "actors/chunks/digest.hpp"
#include "actors/codec/quality.hpp"
#include "actors/messages/message.hpp"
#include "actors/store/eviction.hpp"
#include "actors/store/records.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// A chunk of a conversation as its turn has it now: replaces the record.
struct update_chunk {
  conversation_id conversation = 0;
  std::uint32_t index = 0;
  chunk_record record;
};

/// One part of the ledger changed, of the chunk that still has this name.
struct mark_chunk {
  conversation_id conversation = 0;
  std::uint32_t index = 0;
  digest name;
  std::optional<presence> activations;
  std::optional<presence> lens;
  std::optional<site> only{};  // of the activations' sites; none: all
};

/// What a reader found out about a chunk. `present` counts when it is true of
/// all rows that the chunk has.
struct chunk_found {
  conversation_id conversation = 0;
  std::uint32_t index = 0;
  digest name;
  std::uint32_t rows = 0;  // bit r: row r
  std::optional<presence> activations;
  std::optional<presence> lens;
  std::optional<site> only{};  // of the activations' sites; none: all
};

/// Asked by a new conversation: which of its first chunks need not be captured,
/// because another one of its owner has them, at least as faithfully.
struct find_shared_chunks {
  conversation_id conversation = 0;
  std::vector<digest> names;  // of its full chunks, from the first
  quality kept = quality::lossless;
  lens_mode lens = lens_mode::deferred;  // on demand: records may be missing
};

/// Of the leading chunks whose activations are all there, what the ledger says
/// of their lens.
struct shared_chunks {
  std::vector<presence> lens;
};

/// Everything of the conversation up to here is synced.
struct positions_made_durable {
  conversation_id conversation = 0;
  position_t end = 0;
};

/// The store let go of what its limits do not allow any more.
struct store_evicted {
  std::shared_ptr<const eviction_report> report;
};

}  // namespace lamina

// Messages of the restorer.
#pragma once

#include <cstdint>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/quality.hpp"
#include "actors/messages/message.hpp"
#include "actors/store/records.hpp"

namespace lamina {

/// Rows of a chunk that were recomputed, from its first row on.
struct restore_rows {
  conversation_id conversation = 0;
  std::uint32_t chunk = 0;
  digest name;
  ready_rows rows;
  quality kept = quality::lossless;
  digest root;  // whose code book its values may name
};

/// A chunk's lens records, after some were computed for a click.
struct restore_lens {
  conversation_id conversation = 0;
  std::uint32_t chunk = 0;
  digest name;
  lens_block_ptr block;
};

}  // namespace lamina

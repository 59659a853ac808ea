// Messages of an import, and of the catalog about imports.
#pragma once

#include <caf/actor_addr.hpp>
#include <caf/actor_control_block.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/quality.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/principal.hpp"
#include "actors/store/records.hpp"
#include "protocol/byte_buffer.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// What a client says of the activations that it brings.
struct import_declaration {
  std::string model;
  digest fingerprint;  // of the model; all zero: not known
  capture_shape shape;
  site_mask sites = 0;
  quality kept = quality::lossless;
};

/// Begins a conversation whose activations were computed elsewhere.
struct open_import {
  principal who;
  import_declaration declared;
  caf::strong_actor_ptr session;  // that brings it: it ends with this one
};

/// The import that writes a conversation: conversation_busy when a turn does.
struct find_import {
  principal who;
  conversation_id conversation = 0;
};

struct import_opened {
  conversation_id conversation = 0;
  import_actor import;
};

/// The next tokens and their rows, [slot][position][width] of the sites that
/// were declared. The reply is the sender's credit for more.
struct bring_rows {
  caf::actor_addr session;  // another than the one that began is refused
  position_t begin = 0;
  std::vector<token_record> tokens;
  std::shared_ptr<const byte_buffer> rows;  // null: they have none
  float relative_error = 0;                 // that the rows have
};

/// Lens records of positions that were brought.
struct bring_lens {
  caf::actor_addr session;
  lens_rows_ptr records;
};

/// Nothing follows. With `wait_durable` the reply comes when all is synced.
struct end_import {
  caf::actor_addr session;
  bool wait_durable = false;
};

struct import_progress {
  conversation_id conversation = 0;
  position_t positions = 0;
  position_t durable_positions = 0;
  bool durable = false;
  std::optional<error> not_durable;
  std::uint32_t dropped_positions = 0;
};

using import_result = result<import_progress>;

}  // namespace lamina

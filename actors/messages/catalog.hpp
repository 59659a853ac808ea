// Messages of the catalog, but for those of ledger.hpp and import.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/principal.hpp"
#include "actors/store/records.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

struct open_turn {
  principal who;
  std::string model;
  conversation_id conversation = 0;  // 0: a new one
  std::shared_ptr<const struct turn_options> options;
  std::uint64_t session = 0;  // that begins it
};

struct find_turn {
  principal who;
  conversation_id conversation = 0;
};

struct turn_opened {
  conversation_id conversation = 0;
  writer_actor generation;
};

/// The text of a turn is complete: another turn may begin.
struct close_turn {
  conversation_id conversation = 0;
  std::optional<turn_state> state;  // none: the turn came to nothing
  std::uint32_t turns = 1;          // it wrote; an import may bring several
};

/// Which conversation, and who asks: another's is not_found.
struct locate_positions {
  principal who;
  conversation_id conversation = 0;
  std::vector<position_t> positions;
  std::uint32_t context = 0;  // tokens before the first position
};

struct located_position {
  position_t position = 0;
  placed_token token;
  std::optional<placed_token> next;
  std::uint32_t chunk = 0;
  digest name;
  std::optional<digest> next_name;  // of the next token's chunk, when another
  presence activations = presence::never_asked;
  presence lens = presence::never_asked;
};

struct positions_located {
  conversation_record record;
  std::vector<located_position> positions;
  std::vector<placed_token> context;
  position_t size = 0;  // tokens of the conversation
  bool running = false;
};

using locate_result = result<std::shared_ptr<const positions_located>>;

/// All token ids up to (not including) `end`, for recomputation.
struct get_token_ids {
  conversation_id conversation = 0;
  position_t end = 0;
};

struct list_conversations {
  principal who;
  std::string model;
  std::uint32_t limit = 0;
};

using list_result = result<std::vector<conversation_record>>;

struct show_conversation {
  principal who;
  conversation_id conversation = 0;
};

struct conversation_shown {
  conversation_record record;
  std::vector<chunk_record> chunks;
  position_t durable = 0;  // positions that are synced
};

using show_result = result<std::shared_ptr<const conversation_shown>>;

struct remove_conversation {
  principal who;
  conversation_id conversation = 0;
};

struct pin_conversation {
  principal who;
  conversation_id conversation = 0;
  bool pinned = true;
};

/// Its group may read it; an empty one: nobody but the owner.
struct share_conversation {
  principal who;
  conversation_id conversation = 0;
  std::string group;
};

struct split_conversation {
  principal who;
  conversation_id conversation = 0;
  position_t position = 0;
};

using record_result = result<conversation_record>;

/// No new turns; the reply comes when the running ones have ended. Those that
/// still run after `grace_ms` are cancelled.
struct drain_turns {
  std::int64_t grace_ms = 5'000;
};

struct turns_drained {};

struct get_catalog_status {};

struct catalog_status {
  std::uint64_t conversations = 0;
  std::uint64_t loaded = 0;
  std::uint64_t running = 0;
};

}  // namespace lamina

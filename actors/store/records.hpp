// What the store keeps about conversations: records as plain structs, and
// their bytes (docs/storage-format.md). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/chunks/chunk_key.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

using conversation_id = std::uint64_t;

enum class turn_state : std::uint8_t {
  complete = 1,
  running = 2,      // after a restart this reads as interrupted
  interrupted = 3,  // a crash or restart cut the turn off
  cancelled = 4,
  failed = 5,  // the model failed; the tokens so far are kept
};
std::string_view to_string(turn_state s);

/// The uid of nobody: of whom a token's name is known.
inline constexpr std::uint32_t nobody_uid = 0xffffffff;

struct conversation_record {
  conversation_id id = 0;
  std::uint32_t owner_uid = 0;  // nobody_uid: owner_token has it
  std::string owner_token;      // name of a token; empty: of a uid
  std::string group;            // may read it; empty: nobody but the owner
  std::string model;
  digest root;  // provenance of its activations
  capture_shape shape;
  std::int64_t created_unix_ms = 0;
  std::int64_t accessed_unix_ms = 0;
  bool pinned = false;
  turn_state state = turn_state::complete;  // of the last turn
  std::uint32_t turns = 0;
  std::uint32_t positions = 0;
  conversation_id parent = 0;  // 0: not a fork
  position_t forked_at = 0;
  std::string preview;            // how the first turn begins, valid UTF-8
  digest fingerprint;             // of the model; all zero: not known
  std::string origin = "engine";  // as in its provenance (chunk_key.hpp)

  /// Computed elsewhere: it cannot be computed again here.
  bool is_brought() const { return origin != "engine"; }
};

struct token_record {
  token_id id = 0;
  role who = role::user;
  std::uint16_t turn = 0;  // a question and its answer share one
  std::string bytes;       // exact, also when the model is not loaded
};

/// What became of one site of one chunk: the ledger's entry.
enum class presence : std::uint8_t {
  never_asked = 0,
  pending = 1,  // computed, on its way to disk
  present = 2,
  dropped = 3,  // given up under back-pressure or by a failure
  evicted = 4,
  corrupt = 5,
  on_demand = 6,  // will be computed when asked for
};
std::string_view to_string(presence p);

struct chunk_record {
  digest name;        // under which values and lens records are stored
  bool full = false;  // false: the open tail, `name` is of a tail
  std::vector<token_record> tokens;  // 1 .. 16
  presence embed = presence::never_asked;
  presence resid_post = presence::never_asked;
  presence final_norm = presence::never_asked;
  presence lens = presence::never_asked;
};

/// A code book (actors/codec) of a provenance root. `bytes` are the codec's,
/// and mean nothing here.
struct book_record {
  std::uint64_t id = 0;
  digest root;
  std::vector<std::byte> bytes;
};

std::vector<std::byte> encode(const conversation_record& r);
result<conversation_record> decode_conversation(
    std::span<const std::byte> bytes);
std::vector<std::byte> encode(const chunk_record& r);
result<chunk_record> decode_chunk_record(std::span<const std::byte> bytes);

}  // namespace lamina

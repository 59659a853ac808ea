// Every message that actors exchange, one struct each.
//
// Commands are verb phrases, facts are past participles. Payloads that are big
// or shared travel as `std::shared_ptr<const T>`: handlers take messages by
// const reference and copy nothing. Expected failures are `result<T>` values in
// the reply; a CAF error means that the actor asked is gone or did not answer.
//
// Messages never leave the process, so none is serialisable.
#pragma once

#include <caf/actor_addr.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/audit/fidelity.hpp"
#include "actors/chunks/backpressure.hpp"
#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/chunks/row_block.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/codec/book_shelf.hpp"
#include "actors/codec/quality.hpp"
#include "actors/lens/lens.hpp"
#include "actors/lens/readout.hpp"
#include "actors/measure/codec_rates.hpp"
#include "actors/model/engine.hpp"
#include "actors/principal.hpp"
#include "actors/search/hits.hpp"
#include "actors/search/scorer.hpp"
#include "actors/search/selection.hpp"
#include "actors/store/records.hpp"
#include "actors/store/store.hpp"
#include "protocol/error.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"

namespace lamina {

/// The value of an answer that says no more than "done".
struct acknowledged {};
using acknowledgement = result<acknowledged>;

/// The same failure as the result of another type.
template <class T>
result<T> failed_with(const error& e) {
  return fail(e.code, e.context);
}

/// All handles that one actor may need of another; interfaces.hpp defines it.
struct system_view;
using view_ptr = std::shared_ptr<const system_view>;

/// Where an answer came from.
enum class answer_source : std::uint8_t { memory, disk, recomputed };

// ---- supervisor -----------------------------------------------------------

/// Asks for the handles as they are now.
struct get_view {};
/// Sent to whoever keeps a view, after an actor was started, restarted or lost.
struct view_changed {
  view_ptr view;
};
/// Asks for the status document (JSON).
struct get_status {};
/// Something that was stored cannot be read: logged and counted, for status.
struct damage_found {
  std::string what;
};
/// A connection came or went, for status.
struct connections_changed {
  std::uint32_t open = 0;
};
/// Ends the system in order; the reply comes when everything is synced.
struct drain_system {
  std::int64_t deadline_ms = 10'000;
};

// ---- disk -----------------------------------------------------------------

/// Commits with others in one transaction; the reply comes when it is synced.
/// A failed transaction or op is the error.
struct write_ops {
  std::shared_ptr<const std::vector<write_op>> ops;
};
struct ops_written {
  std::uint64_t values_written = 0;
  std::uint64_t values_shared = 0;
  std::uint64_t bytes_written = 0;
  bool activations_refused = false;  // cache_full: the rest is written
};
struct get_disk_status {};
struct disk_status {
  std::uint64_t commits = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t failures = 0;
  std::string last_error;          // empty: healthy
  bool memory_only = false;        // the disk fails: nothing is stored
  std::uint64_t owed_bytes = 0;    // kept in memory until it is back
  std::uint64_t owed_dropped = 0;  // chunks whose activations it cost
  bool cache_full = false;         // only what may not go is left
  std::uint64_t values_evicted = 0;
  std::uint64_t bytes_evicted = 0;
  std::uint64_t records_repaired = 0;
};
/// The store let go of what its limits do not allow any more.
struct store_evicted {
  std::shared_ptr<const eviction_report> report;
};
struct flush_disk {};

struct read_conversations {};
struct read_chunks {
  conversation_id id = 0;
};
struct read_values {
  std::vector<value_key> keys;
};
struct read_lens {
  digest name;
};
struct read_statistics {};
struct read_usage {};
/// What one conversation holds.
struct read_usage_of {
  conversation_id id = 0;
};
/// What lies under chunk names; `values` lists them, at a page each.
struct read_contents {
  std::vector<digest> names;
  bool values = true;
};

struct conversations_found {
  std::vector<conversation_record> records;
  std::vector<error> passed_over;  // damaged records, each naming its id
};
using conversations_read = result<conversations_found>;
using chunks_read = result<std::vector<chunk_record>>;
using values_read = result<std::vector<stored_value_ptr>>;
using lens_read = result<lens_block_ptr>;
using statistics_read = result<store_statistics>;
using usage_read = result<usage_report>;
using usage_of_read = result<usage>;
using contents_read = result<std::vector<chunk_contents>>;

// ---- codec ----------------------------------------------------------------

/// Encodes rows 0 .. rows.end-1 of every site and layer.
struct encode_rows {
  digest name;
  ready_rows rows;
  quality kept = quality::lossless;
  codebook_ptr book = nullptr;  // of the rows' root; null: there is none
  float given_error = 0;        // that the rows came with; 0: they are exact
};
using rows_encoded = std::vector<stored_value_ptr>;

/// Decodes what `into` wants of these values, and nothing else. Several of
/// these may fill one block, each the slots of its own values: until the last
/// of them has answered, nobody reads it.
struct decode_values {
  std::vector<stored_value_ptr> values;
  book_shelf_ptr books;
  std::shared_ptr<row_block> into;
};
struct rows_filled {
  std::size_t slots = 0;     // of the block's
  float relative_error = 0;  // of the worst row of these values; 0: exact
};
using values_decoded = result<rows_filled>;

struct get_codec_status {};
/// Of one codec actor, since it started.
struct codec_status {
  std::uint64_t raw_bytes_encoded = 0;
  double encode_seconds = 0;
};

/// Rows that a root's code book may be learned from. The reply, an
/// `acknowledged`, is the sender's credit for the next ones.
struct learn_rows {
  digest root;
  digest name;  // of the chunk: each counts once
  ready_rows rows;
};
/// A root has a code book, and it is synced: new values may name it.
struct book_learned {
  digest root;
  codebook_ptr book;
};

/// What the codec does to rows, for `bench codec`.
struct measure_codec {
  std::shared_ptr<const codec_sample> sample;
  quality kept = quality::lossless;
  codebook_ptr book = nullptr;
  model_ptr model = nullptr;  // whose lens must agree; null: not asked
};
using codec_measured = result<codec_rates>;

// ---- shard ----------------------------------------------------------------

/// Newest rows of a chunk in flight: readable from now on.
struct publish_rows {
  digest name;
  ready_rows rows;
};
/// The encoded form takes the place of the raw rows.
struct publish_values {
  digest name;
  std::vector<stored_value_ptr> values;
};
struct publish_lens {
  digest name;
  position_t chunk_first = 0;
  lens_rows_ptr rows;
};
/// A whole block: read back or computed elsewhere.
struct publish_lens_block {
  digest name;
  lens_block_ptr block;
};
/// Forget a name: a tail that became a full chunk, for example.
struct discard_chunk {
  digest name;
};
/// Forget raw rows that will not be stored; what else is known stays.
struct discard_rows {
  digest name;
};
struct find_lens {
  digest name;
  std::uint32_t rows_wanted = 0;  // bit r: row r
  bool urgent = false;            // somebody waits: before bulk reads
};
struct lens_found {
  lens_block_ptr block;  // may lack wanted rows; null when nothing is there
  answer_source source = answer_source::memory;
  std::optional<error> failure =
      std::nullopt;  // why what is stored could not be read
};
/// The activations of a chunk: raw rows in flight, or the values asked for.
struct find_values {
  digest name;
  std::uint32_t rows_wanted = 0;
  std::vector<value_key> keys;
  bool urgent = false;
};
struct values_found {
  ready_rows raw;                        // set when the chunk is in flight
  std::vector<stored_value_ptr> values;  // else: absent ones are null
  answer_source source = answer_source::memory;
};
struct get_shard_status {};
struct shard_status {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t raw_bytes = 0;  // in flight
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;
};

// ---- lens -----------------------------------------------------------------

struct compute_lens_rows {
  model_ptr model;
  std::shared_ptr<const lens_input> input;
  bool patient = false;  // sends one at a time, and is never refused
};
/// overloaded: beyond the backlog's byte budget, nothing was queued.
using lens_computed = result<lens_rows_ptr>;
/// What records do not keep, of as many rows as one slice takes.
struct compute_readout {
  model_ptr model;
  std::shared_ptr<const readout_query> query;
  ready_rows rows;
  std::vector<token_id> next;  // after each row; no_token: not known
};
using readout_computed = result<readout_ptr>;
/// A tuned lens of the model, opened once and kept.
struct open_lens_maps {
  model_ptr model;
  std::filesystem::path file;
};
using lens_maps_opened = result<lens_maps_ptr>;
struct get_lens_status {};
struct lens_status {
  std::uint64_t queued = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t computed_positions = 0;
  std::uint64_t refused = 0;
};

// ---- model ----------------------------------------------------------------

struct sequence_admitted {
  sequence_id id = 0;
  position_t capture_from = 0;  // rows below are not captured
};
using sequence_begun = result<sequence_admitted>;
struct sequence_advanced {
  std::shared_ptr<const sequence_progress> progress;
};
struct sequence_failed {
  sequence_id sequence = 0;
  error reason{error_code::internal, {}};
};
struct cancel_sequence {
  sequence_id sequence = 0;
};
/// Bytes of raw chunks that are encoded and safe (or given up).
struct return_credit {
  sequence_id sequence = 0;
  std::uint64_t bytes = 0;
};
/// Frees the KV cache of a conversation.
struct forget_conversation {
  conversation_id id = 0;
};
/// The weights are mapped and the engine is ready.
struct model_loaded {
  std::string name;
  model_ptr model;
};
/// The directory cannot be served; trying again would not help.
struct model_refused {
  std::string name;
  error reason{error_code::internal, {}};
};
/// Makes the next step throw: how tests see the supervisor work.
struct inject_model_fault {
  std::string message;
};
struct get_model_status {};
struct model_status {
  engine_stats engine;
  std::uint64_t in_flight_bytes = 0;
  std::uint32_t paused = 0;
  double step_seconds = 0;  // spent in the engine since the actor started
};

// ---- generation -----------------------------------------------------------

/// What a client asked of a turn.
struct turn_options {
  std::string prompt;  // exact bytes
  std::uint32_t max_new_tokens = 128;
  sampling_options sampling;
  bool model_sampling = false;  // as the model asks; `sampling` gives the seed
  std::vector<std::string> stop;
  bool capture = true;
  lens_mode lens = lens_mode::deferred;
  bool keep_running = false;
  std::optional<quality> kept;            // none: the model's
  std::optional<backpressure> when_full;  // none: the model's
};

/// A token as viewers and the catalog see it.
struct placed_token {
  position_t position = 0;
  token_record token;
};

/// Tokens a viewer has not seen, consecutive. The reply is the viewer's credit
/// for the next batch: a slow viewer gets fewer, larger ones.
struct turn_tokens {
  std::vector<placed_token> tokens;
  std::string text;  // newly complete text of the answer, valid UTF-8
};
struct tokens_taken {};

/// Lens records of the turn's positions below `end` are there, or will be made
/// only when somebody asks. The reply is the credit for the next one: a slow
/// follower hears of more at once.
struct lens_grew {
  position_t end = 0;
  bool settled = false;  // the turn is over, and so are its records
};
struct growth_taken {};

/// The turn's end; nothing follows.
struct turn_done {
  wire::DoneT done;
};
struct turn_failed {
  error reason{error_code::internal, {}};
};

struct turn_watched {
  conversation_id conversation = 0;
  std::string model;
  std::uint16_t turn = 0;
  position_t from = 0;
};
using watch_result = result<turn_watched>;
struct cancel_turn {};
/// What changed of the conversation that this turn is writing.
struct amend_turn {
  bool pinned = true;
  std::string group;
};

// ---- catalog --------------------------------------------------------------

struct open_turn {
  principal who;
  std::string model;
  conversation_id conversation = 0;  // 0: a new one
  std::shared_ptr<const turn_options> options;
};

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
/// The text of a turn is complete: another turn may begin.
struct close_turn {
  conversation_id conversation = 0;
  std::optional<turn_state> state;  // none: the turn came to nothing
  std::uint32_t turns = 1;          // it wrote; an import may bring several
};
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
/// Everything of the conversation up to here is synced.
struct positions_made_durable {
  conversation_id conversation = 0;
  position_t end = 0;
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
using token_ids_result = result<std::vector<token_id>>;

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
struct find_turn {
  principal who;
  conversation_id conversation = 0;
};
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

// ---- import ---------------------------------------------------------------

/// The next tokens and their rows, [slot][position][width] of the sites that
/// were declared. The reply is the sender's credit for more.
struct bring_rows {
  caf::actor_addr session;  // another than the one that began is refused
  position_t begin = 0;
  std::vector<token_record> tokens;
  std::shared_ptr<const std::vector<std::byte>> rows;  // null: they have none
  float relative_error = 0;                            // that the rows have
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

// ---- tokenizer ------------------------------------------------------------

/// What a turn's prompt is in token ids.
struct encode_prompt {
  model_ptr model;
  std::shared_ptr<const turn_options> options;
  bool begins_text = false;  // with what the model puts in front of a text
};

// ---- restorer -------------------------------------------------------------

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

// ---- prefetch -------------------------------------------------------------

/// A position was clicked: its neighbours will be.
struct warm_neighbours {
  principal who;
  conversation_id conversation = 0;
  position_t position = 0;
  bool activations = false;  // else lens records
};

// ---- rows -----------------------------------------------------------------

/// Rows of one chunk, from wherever they can be had.
struct load_rows {
  conversation_id conversation = 0;
  std::string model;
  digest root;  // a model of another origin must not recompute
  capture_shape shape;
  digest name;
  std::uint32_t chunk = 0;
  std::uint32_t row_begin = 0;
  std::uint32_t row_end = 0;
  std::uint32_t rows_behind = 0;     // this many more, where they are there too
  std::vector<std::uint32_t> slots;  // which; in this order, each once
  position_t position_end = 0;       // where rows that will be asked for end
  bool exact = false;        // recompute rather than take rows with an error
  bool stored_only = false;  // these rows are not worth a recomputation
  bool brought = false;      // they cannot be computed again
  bool recompute = false;    // whatever is stored
  bool urgent = false;       // somebody waits: before bulk reads
  bool restore = false;      // what was recomputed is stored again, as `kept`
  quality kept = quality::lossless;

  /// Rows begin .. end-1 of chunk `index`, whose name is `chunk_name`; slots
  /// and position_end remain to be filled in.
  static load_rows of(const conversation_record& record,
                      const digest& chunk_name, std::uint32_t index,
                      std::uint32_t begin, std::uint32_t end) {
    load_rows load;
    load.conversation = record.id;
    load.model = record.model;
    load.root = record.root;
    load.shape = record.shape;
    load.brought = record.is_brought();
    load.name = chunk_name;
    load.chunk = index;
    load.row_begin = begin;
    load.row_end = end;
    return load;
  }
};
struct rows_loaded {
  row_block_ptr rows;
  answer_source source = answer_source::memory;
  float relative_error = 0;  // 0: exact
};

// ---- search ---------------------------------------------------------------

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

// ---- auditor --------------------------------------------------------------

/// One chunk of a conversation, to be looked at on disk.
struct audited_chunk {
  digest name;
  capture_shape shape;
  std::uint32_t index = 0;
  std::uint32_t conversation = 0;  // its place in the audit
  chunk_record promised;           // without tokens
  std::uint32_t rows = 0;          // tokens it has
};

/// Reads, checks and decodes all that is stored of chunks `begin` and on, as
/// many as fit a slice.
struct verify_chunks {
  std::shared_ptr<const std::vector<audited_chunk>> chunks;
  std::size_t begin = 0;
};
enum class defect : std::uint8_t {
  corrupt,     // fails its checks
  missing,     // promised by the ledger, and not there
  unreadable,  // sound, but this daemon lacks what decoding it takes
  differs,     // from what the model computes, by more than its error explains
};
/// Something that is not as it was stored, or not there.
struct finding {
  std::size_t chunk = 0;   // its place among the chunks
  std::optional<site> at;  // none: the lens records
  std::uint32_t layer_begin = 0;
  std::uint32_t layer_end = 0;
  defect kind = defect::corrupt;
  std::string what;
};
struct chunks_verified {
  std::size_t end = 0;  // chunks begin .. end-1 are done
  std::uint64_t values = 0;
  std::uint64_t value_bytes = 0;
  std::uint64_t lens_blocks = 0;
  fidelities found;
  std::vector<finding> findings;
};
using verification_result = result<chunks_verified>;

/// Compares what is stored of a chunk with rows that were computed now.
struct compare_rows {
  audited_chunk chunk;
  row_block_ptr exact;  // of all slots
};
struct rows_compared {
  fidelities found;
  std::vector<finding> findings;  // rows that disagree
};
using comparison_result = result<rows_compared>;

// ---- session and requests -------------------------------------------------

/// A frame came in. Only a Search may have a payload; null: none.
struct frame_received {
  std::uint32_t request = 0;
  std::shared_ptr<const wire::BodyUnion> body;
  std::shared_ptr<const std::vector<std::byte>> payload = nullptr;
};
/// The connection wrote frames up to this sequence number.
struct frames_written {
  std::uint64_t sequence = 0;
};
/// The peer is gone, or the daemon stops: what is queued is still written.
struct connection_closed {};

/// A request's answer on its way out. The reply comes when it is on the wire,
/// so whoever waits for it streams no faster than the peer reads.
struct send_frame {
  std::uint32_t request = 0;
  frame_kind kind = frame_kind::response;
  std::shared_ptr<const std::vector<std::byte>> frame;
  std::uint16_t failed = 0;  // a terminal's error code; 0: it is none
};
struct frame_sent {};
struct cancel_request {};

/// A request's last frame is on its way.
struct request_ended {
  wire::Body type = wire::Body::NONE;
  std::uint16_t failed = 0;  // an error code; 0: it did not fail
  std::uint64_t took_us = 0;
};
struct get_request_statistics {};

/// Found by argument-dependent lookup for every type of ours, and for the
/// standard containers of them: what may travel in a message unserialised.
template <class T>
std::true_type is_local_message(const T&);

}  // namespace lamina

namespace caf {

template <class T>
requires requires(const T& t) {
  { is_local_message(t) } -> std::same_as<std::true_type>;
}
struct allowed_unsafe_message_type<T> : std::true_type {};

}  // namespace caf

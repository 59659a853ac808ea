// Every typed actor: the map of the system. Each handle has the sentence that
// says what the actor is for; docs/architecture.md draws how they talk.
#pragma once

#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "actors/hosting_messages.hpp"
#include "actors/messages.hpp"
#include "actors/request_statistics.hpp"
#include "actors/tunables.hpp"

namespace lamina {

template <class Message>
using reacts_to = caf::reacts_to<Message>;
template <class Message, class Reply>
using answers = typename caf::replies_to<Message>::template with<Reply>;

/// Commits everything to LMDB, many writes in one transaction. Own thread.
using disk_actor = caf::typed_actor<answers<write_ops, result<ops_written>>,
                                    answers<flush_disk, result<ops_written>>,
                                    answers<get_disk_status, disk_status>,
                                    reacts_to<view_changed>>;

/// Reads from LMDB. Several, each with its own thread.
using reader_actor = caf::typed_actor<
    answers<read_conversations, conversations_read>,
    answers<read_chunks, chunks_read>, answers<read_values, values_read>,
    answers<read_lens, lens_read>, answers<read_statistics, statistics_read>>;

/// Encodes and decodes activations. Several, own threads: those that encode
/// have low priority, those that decode for somebody who waits have not.
using codec_actor = caf::typed_actor<answers<encode_rows, rows_encoded>,
                                     answers<decode_values, values_decoded>,
                                     answers<get_codec_status, codec_status>>;

/// Learns the code books of roots that are kept with a loss, and has them
/// stored. Own thread, low priority.
using book_learner_actor = caf::typed_actor<answers<learn_rows, acknowledged>,
                                            reacts_to<view_changed>>;

/// Measures the codec for one `bench codec`. Own thread, lowest priority.
using meter_actor = caf::typed_actor<answers<measure_codec, codec_measured>>;

/// Says what a model's directory would take. Own thread, for one request.
using planner_actor =
    caf::typed_actor<answers<plan_directory, directory_planned>>;

/// One slice of the memory tier, by chunk name: rows in flight, stored values,
/// lens blocks. Asks a reader for what it lacks. Never blocks.
using shard_actor = caf::typed_actor<
    reacts_to<publish_rows>, reacts_to<publish_values>, reacts_to<publish_lens>,
    reacts_to<publish_lens_block>, reacts_to<discard_chunk>,
    reacts_to<discard_rows>, answers<find_lens, lens_found>,
    answers<find_values, result<values_found>>,
    answers<get_shard_status, shard_status>, reacts_to<view_changed>>;

/// Computes lens records and readouts from rows. One for clicks, one of the
/// lowest priority for the backlog; each has its own thread and uses just that
/// one.
using lens_actor = caf::typed_actor<answers<compute_lens_rows, lens_computed>,
                                    answers<compute_readout, readout_computed>,
                                    answers<open_lens_maps, lens_maps_opened>,
                                    answers<get_lens_status, lens_status>>;

/// Turns prompts into token ids. Own thread: a long one takes a second.
using tokenizer_actor =
    caf::typed_actor<answers<encode_prompt, token_ids_result>>;

/// Whoever runs a sequence: told of every step.
using sequence_sink =
    caf::typed_actor<reacts_to<sequence_advanced>, reacts_to<sequence_failed>>;

/// Joins the running batch. The sink gets `sequence_advanced` for each step,
/// or one `sequence_failed`.
struct begin_sequence {
  std::shared_ptr<const sequence_request> request;
  sequence_sink sink;
  backpressure when_full = backpressure::wait;
};

/// Owns the engine of one model and steps all its sequences. Own thread.
using model_actor =
    caf::typed_actor<answers<begin_sequence, sequence_begun>,
                     reacts_to<cancel_sequence>, reacts_to<return_credit>,
                     reacts_to<forget_conversation>, reacts_to<retire_model>,
                     reacts_to<inject_model_fault>,
                     answers<get_model_status, model_status>>;

/// Whoever follows a turn; replies when it can take more.
using viewer_actor =
    caf::typed_actor<answers<turn_tokens, tokens_taken>, reacts_to<turn_done>,
                     reacts_to<turn_failed>>;

/// Follows a turn from a position on, running or just ended.
struct watch_turn {
  viewer_actor viewer;
  std::optional<position_t> from;  // default: where the turn begins
  bool wait_durable = false;
};
/// The viewer does not care any more.
struct leave_turn {
  viewer_actor viewer;
};

/// Whoever follows a turn's lens records; replies when it can take more.
using lens_follower_actor = caf::typed_actor<answers<lens_grew, growth_taken>>;

/// Follows a turn's lens records until they are settled. The answer is how far
/// they are now.
struct follow_lens {
  lens_follower_actor follower;
};

/// Whoever writes a conversation: the catalog knows no more of it.
using writer_actor =
    caf::typed_actor<answers<watch_turn, watch_result>, reacts_to<leave_turn>,
                     answers<follow_lens, lens_grew>, reacts_to<cancel_turn>,
                     reacts_to<mark_chunk>, reacts_to<view_changed>,
                     answers<amend_turn, acknowledgement>>;

/// One running turn: between the model, the write path and its viewers. It
/// outlives the session that began it and ends when all of it is durable.
using generation_actor = writer_actor::extend_with<sequence_sink>;

struct turn_opened {
  conversation_id conversation = 0;
  writer_actor generation;
};

/// Writes a conversation whose activations a client brings. It ends when all of
/// it is durable, or, as interrupted, with the session that brings it.
using import_actor = writer_actor::extend<answers<bring_rows, import_result>,
                                          answers<bring_lens, import_result>,
                                          answers<end_import, import_result>>;

struct import_opened {
  conversation_id conversation = 0;
  import_actor import;
};

/// Every conversation: tokens, chunk names, ledger, who may write. Spawns the
/// generations.
using catalog_actor = caf::typed_actor<
    answers<open_turn, result<turn_opened>>,
    answers<find_turn, result<turn_opened>>,
    answers<open_import, result<import_opened>>,
    answers<find_import, result<import_opened>>, reacts_to<update_chunk>,
    reacts_to<mark_chunk>, reacts_to<chunk_found>, reacts_to<store_evicted>,
    reacts_to<close_turn>, reacts_to<positions_made_durable>,
    answers<locate_positions, locate_result>,
    answers<get_token_ids, token_ids_result>,
    answers<list_conversations, list_result>,
    answers<show_conversation, show_result>,
    answers<remove_conversation, acknowledgement>,
    answers<pin_conversation, record_result>,
    answers<share_conversation, record_result>,
    answers<split_conversation, record_result>,
    answers<drain_turns, turns_drained>,
    answers<get_catalog_status, catalog_status>, reacts_to<view_changed>>;

/// Stores again what had to be computed again.
using restorer_actor =
    caf::typed_actor<reacts_to<restore_rows>, reacts_to<restore_lens>,
                     reacts_to<view_changed>>;

/// Finds exact rows for one request: memory, disk, else recomputation.
using rows_actor = caf::typed_actor<answers<load_rows, result<rows_loaded>>>;

/// Reads and scores what searches ask for, one bounded slice a message, so that
/// several share it fairly. Own thread, low priority; what it reads does not
/// enter the memory tier.
using search_actor =
    caf::typed_actor<answers<read_history, history_read>,
                     answers<score_chunks, scoring_result>,
                     answers<get_search_status, search_status>>;

/// Looks at what is on disk, not to answer with it but to say how it is: what
/// lies under a name, who holds how much, whether all of it can be read. Own
/// thread, low priority, bounded slices.
using auditor_actor = caf::typed_actor<
    answers<read_conversations, conversations_read>,
    answers<read_chunks, chunks_read>, answers<read_contents, contents_read>,
    answers<read_statistics, statistics_read>, answers<read_usage, usage_read>,
    answers<read_usage_of, usage_of_read>,
    answers<verify_chunks, verification_result>,
    answers<compare_rows, comparison_result>>;

/// Warms the neighbours of what was clicked.
using prefetch_actor =
    caf::typed_actor<reacts_to<warm_neighbours>, reacts_to<view_changed>>;

/// One request in flight; ends by itself after its terminal frame.
using request_actor = caf::typed_actor<reacts_to<cancel_request>>;

/// One connection: takes its frames, spawns its requests, writes their answers.
using session_actor =
    caf::typed_actor<reacts_to<frame_received>, reacts_to<frames_written>,
                     reacts_to<connection_closed>,
                     answers<send_frame, frame_sent>, reacts_to<view_changed>>;

/// A new connection's session wants views as they change.
struct follow_views {
  session_actor session;
};

/// A reload: what may change while the daemon runs, and the whole of it as
/// describe() says it.
struct reconfigure {
  tunables tuned;
  std::shared_ptr<const std::string> configuration;
};

/// What requests came to, since it was started.
using recorder_actor =
    caf::typed_actor<reacts_to<request_ended>,
                     answers<get_request_statistics, request_statistics>>;

/// Starts all of the above, restarts what dies, publishes who is there.
using supervisor_actor =
    caf::typed_actor<answers<get_view, view_ptr>, reacts_to<follow_views>,
                     reacts_to<model_loaded>, reacts_to<model_refused>,
                     reacts_to<connections_changed>, reacts_to<damage_found>,
                     reacts_to<book_learned>, reacts_to<reconfigure>,
                     answers<get_status, std::string>,
                     answers<load_model, model_hosted>,
                     answers<unload_model, acknowledgement>,
                     answers<drain_system, acknowledgement>>;

/// A model as the rest of the system sees it.
struct hosted_model {
  model_ptr model;     // null while it loads or when loading failed
  model_actor actor;   // null when down
  std::string health;  // "up", "loading", or why it is down
  quality kept = quality::lossless;  // of its activations, unless asked else
  backpressure when_full = backpressure::wait;            // likewise
  std::uint64_t in_flight_bytes_max = 256u << 20;         // of one sequence
  std::map<std::string, std::filesystem::path> lenses{};  // tuned, by name
};

/// Limits from the configuration that answers speak of; 0: none.
struct system_budgets {
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t in_flight_bytes = 0;  // of each model
};

/// The handles at one moment. An actor that died keeps its old handle until it
/// is started again, so a request to it fails at once; a model's is null.
struct system_view {
  supervisor_actor supervisor;
  disk_actor disk;
  catalog_actor catalog;
  prefetch_actor prefetch;
  search_actor search;
  auditor_actor auditor;
  restorer_actor restorer;
  lens_actor lens_clicks;
  lens_actor lens_backlog;
  tokenizer_actor tokenizer;
  std::vector<shard_actor> shards;
  std::vector<reader_actor> readers;
  std::vector<codec_actor> codecs;
  std::vector<codec_actor> decoders;  // for reads
  book_learner_actor book_learner;
  book_shelf_ptr books = std::make_shared<const book_shelf>();
  std::map<std::string, hosted_model> models;
  system_budgets budgets;
  recorder_actor recorder;
  tunables tuned;
  std::shared_ptr<const std::string> configuration;  // JSON; null: none
  hosting_policy hosting;

  const shard_actor& shard_of(const digest& name) const {
    return shards[digest_hash{}(name) % shards.size()];
  }
  const reader_actor& reader_of(const digest& name) const {
    return readers[(digest_hash{}(name) >> 8) % readers.size()];
  }
  /// For share `i` of what is read of a chunk.
  const codec_actor& decoder_of(const digest& name, std::size_t i) const {
    return decoders[((digest_hash{}(name) >> 24) + i) % decoders.size()];
  }
  const codec_actor& codec_of(const digest& name) const {
    return codecs[(digest_hash{}(name) >> 16) % codecs.size()];
  }
};

}  // namespace lamina

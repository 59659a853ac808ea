// Every typed actor: the map of the system. Each handle has the sentence that
// says what the actor is for; docs/architecture.md draws how they talk.
//
// What a message consists of is in the header of actors/messages/ that has the
// name of the actor which takes it. Here they are only declared, so that a
// change to a message concerns those who exchange it. Whoever compares handles,
// or lists them, needs the header of their messages.
#pragma once

#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <memory>
#include <string>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/stored_value.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// All handles that one actor may need of another: actors/view.hpp.
using view_ptr = std::shared_ptr<const struct system_view>;

template <class Message>
using reacts_to = caf::reacts_to<Message>;
template <class Message, class Reply>
using answers = typename caf::replies_to<Message>::template with<Reply>;

/// Commits everything to LMDB, many writes in one transaction. Own thread.
using disk_actor =
    caf::typed_actor<answers<struct write_ops, result<struct ops_written>>,
                     answers<struct flush_disk, result<struct ops_written>>,
                     answers<struct get_disk_status, struct disk_status>,
                     reacts_to<struct view_changed>>;

/// Reads from LMDB. Several, each with its own thread.
using reader_actor = caf::typed_actor<
    answers<struct read_conversations, result<struct conversations_found>>,
    answers<struct read_chunks, result<std::vector<struct chunk_record>>>,
    answers<struct read_values, result<std::vector<stored_value_ptr>>>,
    answers<struct read_lens, result<lens_block_ptr>>,
    answers<struct read_statistics, result<struct store_statistics>>>;

/// Encodes and decodes activations. Several, own threads: those that encode
/// have low priority, those that decode for somebody who waits have not.
using codec_actor =
    caf::typed_actor<answers<struct encode_rows, std::vector<stored_value_ptr>>,
                     answers<struct decode_values, result<struct rows_filled>>,
                     answers<struct get_codec_status, struct codec_status>>;

/// Learns the code books of roots that are kept with a loss, and has them
/// stored. Own thread, low priority.
using book_learner_actor =
    caf::typed_actor<answers<struct learn_rows, struct acknowledged>,
                     reacts_to<struct view_changed>>;

/// Measures the codec for one `bench codec`. Own thread, lowest priority.
using meter_actor =
    caf::typed_actor<answers<struct measure_codec, result<struct codec_rates>>>;

/// Says what a model's directory would take. Own thread, for one request.
using planner_actor =
    caf::typed_actor<answers<struct plan_directory, result<struct model_plan>>>;

/// One slice of the memory tier, by chunk name: rows in flight, stored values,
/// lens blocks. Asks a reader for what it lacks. Never blocks.
using shard_actor = caf::typed_actor<
    reacts_to<struct publish_rows>, reacts_to<struct publish_values>,
    reacts_to<struct publish_lens>, reacts_to<struct publish_lens_block>,
    reacts_to<struct discard_chunk>, reacts_to<struct discard_rows>,
    answers<struct find_lens, struct lens_found>,
    answers<struct find_values, result<struct values_found>>,
    answers<struct get_shard_status, struct shard_status>,
    reacts_to<struct view_changed>>;

/// Computes lens records and readouts from rows. One for clicks, one of the
/// lowest priority for the backlog; each has its own thread and uses just that
/// one.
using lens_actor = caf::typed_actor<
    answers<struct compute_lens_rows, result<lens_rows_ptr>>,
    answers<struct compute_readout,
            result<std::shared_ptr<const std::vector<struct layer_readout>>>>,
    answers<struct open_lens_maps,
            result<std::shared_ptr<const class lens_maps>>>,
    answers<struct get_lens_status, struct lens_status>>;

/// Turns prompts into token ids. Own thread: a long one takes a second.
using tokenizer_actor = caf::typed_actor<
    answers<struct encode_prompt, result<std::vector<token_id>>>>;

/// Whoever runs a sequence: told of every step.
using sequence_sink = caf::typed_actor<reacts_to<struct sequence_advanced>,
                                       reacts_to<struct sequence_failed>>;

/// Owns the engine of one model and steps all its sequences. Own thread.
using model_actor = caf::typed_actor<
    answers<struct begin_sequence, result<struct sequence_admitted>>,
    reacts_to<struct cancel_sequence>, reacts_to<struct return_credit>,
    reacts_to<struct forget_conversation>, reacts_to<struct retire_model>,
    reacts_to<struct inject_model_fault>,
    answers<struct get_model_status, struct model_status>>;

/// Whoever follows a turn; replies when it can take more.
using viewer_actor =
    caf::typed_actor<answers<struct turn_tokens, struct tokens_taken>,
                     reacts_to<struct turn_done>,
                     reacts_to<struct turn_failed>>;

/// Whoever follows a turn's lens records; replies when it can take more.
using lens_follower_actor =
    caf::typed_actor<answers<struct lens_grew, struct growth_taken>>;

/// Whoever writes a conversation: the catalog knows no more of it.
using writer_actor = caf::typed_actor<
    answers<struct watch_turn, result<struct turn_watched>>,
    reacts_to<struct leave_turn>, answers<struct follow_lens, struct lens_grew>,
    reacts_to<struct cancel_turn>, reacts_to<struct mark_chunk>,
    reacts_to<struct view_changed>,
    answers<struct amend_turn, result<struct acknowledged>>>;

/// One running turn: between the model, the write path and its viewers. It
/// outlives the session that began it and ends when all of it is durable.
using generation_actor = writer_actor::extend_with<sequence_sink>;

/// Writes a conversation whose activations a client brings. It ends when all of
/// it is durable, or, as interrupted, with the session that brings it.
using import_actor = writer_actor::extend<
    answers<struct bring_rows, result<struct import_progress>>,
    answers<struct bring_lens, result<struct import_progress>>,
    answers<struct end_import, result<struct import_progress>>>;

/// Every conversation: tokens, chunk names, ledger, who may write. Spawns the
/// generations.
using catalog_actor = caf::typed_actor<
    answers<struct open_turn, result<struct turn_opened>>,
    answers<struct find_turn, result<struct turn_opened>>,
    answers<struct open_import, result<struct import_opened>>,
    answers<struct find_import, result<struct import_opened>>,
    reacts_to<struct update_chunk>, reacts_to<struct mark_chunk>,
    reacts_to<struct chunk_found>, reacts_to<struct store_evicted>,
    reacts_to<struct close_turn>, reacts_to<struct positions_made_durable>,
    answers<struct find_shared_chunks, struct shared_chunks>,
    answers<struct locate_positions,
            result<std::shared_ptr<const struct positions_located>>>,
    answers<struct get_token_ids, result<std::vector<token_id>>>,
    answers<struct list_conversations,
            result<std::vector<struct conversation_record>>>,
    answers<struct show_conversation,
            result<std::shared_ptr<const struct conversation_shown>>>,
    answers<struct remove_conversation, result<struct acknowledged>>,
    answers<struct pin_conversation, result<struct conversation_record>>,
    answers<struct share_conversation, result<struct conversation_record>>,
    answers<struct split_conversation, result<struct conversation_record>>,
    answers<struct drain_turns, struct turns_drained>,
    answers<struct get_catalog_status, struct catalog_status>,
    reacts_to<struct view_changed>>;

/// Stores again what had to be computed again.
using restorer_actor = caf::typed_actor<reacts_to<struct restore_rows>,
                                        reacts_to<struct restore_lens>,
                                        reacts_to<struct view_changed>>;

/// Finds exact rows for one request: memory, disk, else recomputation.
using rows_actor =
    caf::typed_actor<answers<struct load_rows, result<struct rows_loaded>>>;

/// Reads and scores what searches ask for, one bounded slice a message, so that
/// several share it fairly. Own thread, low priority; what it reads does not
/// enter the memory tier.
using search_actor = caf::typed_actor<
    answers<struct read_history, std::vector<result<std::shared_ptr<
                                     const struct history_conversation>>>>,
    answers<struct score_chunks, result<struct chunks_scored>>,
    answers<struct get_search_status, struct search_status>>;

/// Looks at what is on disk, not to answer with it but to say how it is: what
/// lies under a name, who holds how much, whether all of it can be read. Own
/// thread, low priority, bounded slices.
using auditor_actor = caf::typed_actor<
    answers<struct read_conversations, result<struct conversations_found>>,
    answers<struct read_chunks, result<std::vector<struct chunk_record>>>,
    answers<struct read_contents, result<std::vector<struct chunk_contents>>>,
    answers<struct read_statistics, result<struct store_statistics>>,
    answers<struct read_usage, result<struct usage_report>>,
    answers<struct read_usage_of, result<struct usage>>,
    answers<struct verify_chunks, result<struct chunks_verified>>,
    answers<struct compare_rows, result<struct rows_compared>>>;

/// Warms the neighbours of what was clicked.
using prefetch_actor = caf::typed_actor<reacts_to<struct warm_neighbours>,
                                        reacts_to<struct view_changed>>;

/// One request in flight; ends by itself after its terminal frame.
using request_actor = caf::typed_actor<reacts_to<struct cancel_request>>;

/// One connection: takes its frames, spawns its requests, writes their answers.
using session_actor =
    caf::typed_actor<reacts_to<struct frame_received>,
                     reacts_to<struct frames_written>,
                     reacts_to<struct connection_closed>,
                     answers<struct send_frame, struct frame_sent>,
                     reacts_to<struct view_changed>>;

/// What requests came to, since it was started.
using recorder_actor = caf::typed_actor<
    reacts_to<struct request_ended>,
    answers<struct get_request_statistics, struct request_statistics>>;

/// Starts all of the above, restarts what dies, publishes who is there.
using supervisor_actor = caf::typed_actor<
    answers<struct get_view, view_ptr>, reacts_to<struct follow_views>,
    reacts_to<struct model_loaded>, reacts_to<struct model_refused>,
    reacts_to<struct connections_changed>, reacts_to<struct damage_found>,
    reacts_to<struct book_learned>, reacts_to<struct reconfigure>,
    answers<struct get_status, std::string>,
    answers<struct load_model, result<view_ptr>>,
    answers<struct unload_model, result<struct acknowledged>>,
    answers<struct drain_system, result<struct acknowledged>>>;

}  // namespace lamina

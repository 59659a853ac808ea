// A generation: one running turn, from the prompt to the last synced byte.
//
// It stands between the model (tokens and rows come in), the write path (full
// chunks go to codec and disk, rows and records to the shards) and any number
// of viewers. It belongs to no session: when the last viewer leaves, it is
// cancelled after `abandon_after`, or finishes when the client asked for that.
// It ends when everything is durable and the last viewer has been served.
//
// What happens to a chunk on its way to disk is conversation_writer's. A turn
// that drops under back-pressure gives up the activations of a complete chunk
// while more than `in_flight_bytes_max` are on that path; its tokens and, where
// the backlog takes them, its lens records are kept.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "actors/conversation_writer.hpp"
#include "actors/messages/codec.hpp"
#include "actors/messages/disk.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/turn.hpp"
#include "actors/model/tokenizer/tokenizer.hpp"
#include "actors/view.hpp"

namespace lamina {

struct abandon_due {
  std::uint32_t epoch = 0;
};
struct end_due {};  // viewers that still do not take anything are left behind

using generation_self =
    generation_actor::extend<reacts_to<abandon_due>, reacts_to<end_due>>;

/// What the catalog hands to a new generation.
struct generation_plan {
  conversation_record record;
  std::vector<chunk_record> chunks;
  position_t stored = 0;  // up to here they are on disk, or on their way
  std::shared_ptr<const turn_options> options;
  std::uint64_t session = 0;  // that began it: shares the model fairly
  hosted_model hosted;
  view_ptr view;
  std::chrono::milliseconds abandon_after{10'000};
  bool recompute_on_read = false;
};

struct generation_state : conversation_writer {
  using pointer = generation_self::stateful_pointer<generation_state>;
  using clock = std::chrono::steady_clock;
  using watch_promise = caf::typed_response_promise<watch_result>;

  struct viewer {
    viewer_actor handle;
    position_t next = 0;  // first position not sent
    bool taking = false;  // a batch is under way
    bool wait_durable = false;
    bool served = false;  // has its done or failed
    utf8_stream text;
  };

  /// Hears how far the turn's lens records are.
  struct follower {
    lens_follower_actor handle;
    position_t told = 0;
    bool taking = false;  // a message is under way
    bool told_settled = false;
  };

  explicit generation_state(pointer actor) : self(actor) {}
  ~generation_state() override;

  // Beginning.
  void start();
  std::vector<token_record> prompt_tokens(
      const std::vector<token_id>& ids) const;
  position_t rewritten_from() const;
  void begin(const std::vector<token_id>& prompt);
  void share(const std::vector<token_id>& prompt);
  void submit(const std::vector<token_id>& prompt);
  void record_prompt(std::vector<token_record> tokens);
  void refer_to_shared();
  void begun(const sequence_admitted& admitted,
             std::vector<token_record> tokens);
  backpressure when_full() const;
  caf::result<watch_result> watch(const watch_turn& m);
  watch_result admit(const watch_turn& m);

  // From the model.
  void advance(const sequence_progress& p);
  void add_token(token_id id);
  void add_rows(const ready_rows& rows);
  void add_lens(const lens_rows& rows);
  void finish();
  void cancel();
  void fail_turn(const error& reason);

  // Write path.
  void seal(std::uint32_t index, const ready_rows& rows);
  bool is_full(const ready_rows& rows) const;
  void drop(std::uint32_t index, const ready_rows& rows);
  void without_book(const digest& name, const ready_rows& rows) override;
  void defer_lens(std::uint32_t index, const ready_rows& rows);
  void lens_ready(std::uint32_t index, const digest& name,
                  const lens_rows_ptr& rows);
  void seal_uncaptured();
  void flush_uncaptured();
  void ask_codec(const codec_actor& whom, encode_rows command,
                 encoded_handler then) override;
  void ask_disk(const disk_actor& whom, write_ops command,
                written_handler then) override;
  void credit_returned(std::uint64_t bytes) override;
  void settled() override { end_when_served(); }
  caf::result<acknowledgement> amend(const amend_turn& m);
  bool drained() const { return finished && outstanding == 0; }
  bool came_to_nothing() const { return log.size() == turn_first; }
  std::optional<turn_state> end_state() const;

  // Followers of the lens records.
  lens_grew follow(const follow_lens& m);
  void lens_at(position_t end);
  void lens_done(std::uint32_t index);
  void tell_followers();
  void tell(follower& f);
  bool lens_settled() const { return finished && lens_outstanding == 0; }
  position_t lens_known_end() const {
    return lens_settled() ? log.size() : lens_end;
  }

  // Viewers.
  bool nobody_watches() const { return viewers.empty() && followers.empty(); }
  void serve(viewer& v);
  void serve_all();
  void send_batch(viewer& v);
  void deliver(viewer& v, turn_tokens batch);
  void leave(const caf::actor_addr& who);
  wire::DoneT done(const viewer& v) const;
  void end_when_served();

  static inline const char* name = "generation";
  pointer self;
  generation_plan plan;       // its record and view are the writer's now
  position_t turn_first = 0;  // of this turn's first token
  position_t answer_first = 0;
  /// Of its first chunks, which another conversation has captured: what the
  /// ledger says of their lens.
  std::vector<presence> shared;
  std::optional<sequence_id> sequence;
  std::map<std::uint32_t, ready_rows> rows;  // newest, of unsealed chunks
  ready_rows predecessor;         // the chunk before the next one to seal
  std::uint32_t sealed_next = 0;  // chunks below are sealed
  position_t lens_end = 0;  // records below are there, or made when asked for
  std::set<std::uint32_t> lens_chunks;  // those beyond it that are, too
  std::uint32_t lens_outstanding = 0;   // deferred chunks
  bool finished = false;                // the text is complete
  bool watched = false;  // somebody came to see it, or nobody will
  bool cancel_wanted = false;
  bool teaching = false;         // the book learner has rows of ours
  bool ending = false;           // end_due is on its way
  std::optional<error> failure;  // of the turn
  finish_reason reason = finish_reason::length;
  std::optional<std::uint32_t> last_token_text_bytes;
  std::uint32_t prompt_reused = 0;
  std::uint64_t in_flight_bytes = 0;  // of sealed chunks that are not safe
  std::vector<viewer> viewers;
  std::vector<follower> followers;
  std::vector<std::pair<watch_promise, watch_turn>> early;  // before begun
  std::uint32_t abandon_epoch = 0;
  clock::time_point started;
  clock::time_point first_token;
  clock::time_point last_token;
  clock::time_point durable;
};

generation_self::behavior_type generation(
    generation_state::pointer self, std::shared_ptr<generation_plan> plan);

}  // namespace lamina

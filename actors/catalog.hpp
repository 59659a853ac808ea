// The catalog: every conversation's metadata, tokens, chunk names and ledger,
// and who may write it. One writer at a time: a second turn gets
// conversation_busy. Another owner's conversation is not_found, unless it is
// shared with a group of who asks: then it can be read and forked.
//
// Metadata of all conversations is in memory; the chunks (tokens and ledger)
// of one are read when first needed. While a turn runs, its generation tells
// the catalog what changes; on disk the generation writes them itself.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "actors/messages/catalog.hpp"
#include "actors/messages/import.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/messages/turn.hpp"
#include "actors/open_replies.hpp"
#include "actors/view.hpp"

namespace lamina {

struct access_flush_due {};  // to itself, once a minute

struct drain_grace_over {};  // to itself

using catalog_self = catalog_actor::extend<reacts_to<access_flush_due>,
                                           reacts_to<drain_grace_over>>;

struct catalog_options {
  std::chrono::milliseconds abandon_after{10'000};
  std::uint32_t loaded_max = 256;  // conversations with chunks in memory
  std::uint32_t imports_max = 8;   // at once
  /// Raw chunks of one import on their way to disk.
  std::uint64_t import_in_flight_bytes_max = 128u << 20;
  bool recompute_on_read = false;  // missing activations stay so in a new turn
};

/// The first bytes of a text, for lists; a cut character is left out.
std::string preview_of(std::string_view text);
std::string preview_of(const chunk_record& begin);

/// Milliseconds since 1970, as conversations are stamped.
std::int64_t now_unix_ms();

error no_such_conversation(conversation_id id);

struct catalog_state {
  using pointer = catalog_self::stateful_pointer<catalog_state>;

  struct fork_waiting {
    split_conversation command;
    reply_to<conversation_record> reply;
  };

  struct entry {
    conversation_record record;
    std::optional<std::vector<chunk_record>> chunks;  // none: not loaded
    std::vector<std::function<void(const result<entry*>&)>> loading;

    /// What is known here and not on disk is lost when it is unloaded.
    bool unloadable() const {
      return chunks && !syncing() && durable >= record.positions;
    }
    bool busy() const { return static_cast<bool>(writer); }
    bool syncing() const { return !turns.empty(); }
    position_t size() const { return record.positions; }
    writer_actor writer;              // the turn that runs; null: none
    std::vector<writer_actor> turns;  // it, and those still syncing
    import_actor import;              // the writer, when it is one
    position_t durable = 0;           // positions that are synced
    /// The least quality of its captured turns, while all of them were since
    /// the daemon started; none: it is not known.
    std::optional<quality> kept;
    std::vector<fork_waiting> forks;  // wait for positions to be durable
    std::vector<std::function<void()>> when_synced;  // after the last turn
    bool cut = false;        // a turn died: what is known must be written
    bool removing = false;   // its deletion is on the way to disk
    bool accessed = false;   // access time not yet on disk
    std::uint64_t used = 0;  // for unloading the oldest
  };

  explicit catalog_state(pointer actor) : self(actor) {}
  ~catalog_state();

  void load_all();
  result<entry*> readable(conversation_id id, const principal& who);
  result<entry*> owned(conversation_id id, const principal& who);
  void with_chunks(conversation_id id, const result<entry*>& found,
                   std::function<void(const result<entry*>&)> then);
  void load(conversation_id id, entry& e,
            std::function<void(const result<entry*>&)> then);
  void unload_oldest();
  void erase(std::map<conversation_id, entry>::iterator it);
  template <class Value>
  auto owe(reply_to<Value>& reply) {
    using promise_type = caf::typed_response_promise<result<Value>>;
    auto promise = self->make_response_promise<promise_type>();
    reply = owed.add(promise);
    return promise;
  }

  caf::result<result<turn_opened>> open(const open_turn& m);
  result<turn_opened> start_turn(entry& e, const open_turn& m);
  result<entry*> create(const open_turn& m, const hosted_model& hosted);
  std::optional<error> over_quota(const principal& who, bool one_more) const;
  entry& add_entry(const principal& who, const std::string& model);
  result<import_opened> begin_import(const open_import& m);
  result<import_opened> import_of(const find_import& m);
  result<turn_opened> turn_of(const find_turn& m);
  shared_chunks find_shared(const find_shared_chunks& m) const;
  void update(const update_chunk& m);
  void mark(const mark_chunk& m);
  void found(const chunk_found& m);
  void correct(entry& e, const mark_chunk& m);
  void evicted(const eviction_report& report);
  void close(const close_turn& m);
  void made_durable(const positions_made_durable& m);
  void writer_down(const caf::down_msg& m);
  void cut_off(entry& e);
  void write_what_is_known(entry& e);
  void correct_found(entry& e, const chunk_found& m);

  caf::result<locate_result> locate(const locate_positions& m);
  caf::result<token_ids_result> ids(const get_token_ids& m);
  list_result list(const list_conversations& m);
  caf::result<show_result> show(const show_conversation& m);
  caf::result<acknowledgement> remove(const remove_conversation& m);
  void remove_now(conversation_id id, reply_to<acknowledged> reply);
  void removed(conversation_id id);
  caf::result<record_result> pin(const pin_conversation& m);
  caf::result<record_result> share(const share_conversation& m);
  caf::result<record_result> amend(entry& e);
  caf::result<record_result> split(const split_conversation& m);
  void split_loaded(entry& e, fork_waiting w);
  void fork_now(entry& e, fork_waiting w);
  void write_record(const conversation_record& record,
                    std::function<void(const acknowledgement&)> then);
  void flush_access();
  caf::result<turns_drained> drain(const drain_turns& m);
  void cancel_all();
  void check_drained();
  void follow(const view_ptr& newest);
  catalog_status status() const;

  static inline const char* name = "catalog";
  pointer self;
  catalog_options options;
  view_ptr view;
  std::map<conversation_id, entry> entries;
  std::set<conversation_id> loaded;  // at least those that have their chunks
  std::map<caf::actor_addr, conversation_id> written_by;  // running turns
  std::uint64_t uses = 0;
  open_replies owed;
  bool draining = false;
  std::vector<caf::typed_response_promise<turns_drained>> drainers;
  std::mt19937_64 random;
};

catalog_self::behavior_type catalog(catalog_state::pointer self,
                                    catalog_options options, view_ptr view);

}  // namespace lamina

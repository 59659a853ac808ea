// A conversation writer: the way of a conversation's chunks from complete rows
// to the last synced byte. Whoever writes a conversation (a generation, an
// import) is one: it says when a chunk is sealed, and how codec and disk are
// asked.
//
// A sealed chunk is encoded, its values take the place of its rows in the
// shard, and it is committed, in order; then its bytes are returned as credit.
// A failure on that path costs the chunk's activations, which the ledger says,
// never the text. `durable` never reaches past a gap.
//
// Belongs to one actor and runs on its thread; sends to shards and catalog.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "actors/generations/turn_log.hpp"
#include "actors/interfaces.hpp"

namespace lamina {

/// An error for an actor that did not answer.
error no_answer_from(std::string_view who, const caf::error& e);

struct conversation_writer {
  /// A chunk whose rows are complete, on its way to disk.
  struct sealed_chunk {
    std::uint32_t index = 0;
    std::vector<stored_value_ptr> values;  // empty: not captured or dropped
    std::uint64_t credit = 0;
  };

  using encoded_handler = std::function<void(const result<rows_encoded>&)>;
  using written_handler = std::function<void(const result<ops_written>&)>;

  conversation_writer() : log(0, {}, {}, {}), commits(0) {}
  virtual ~conversation_writer() = default;

  // What the actor does for it. An actor that does not answer is an error.
  virtual void ask_codec(const codec_actor& whom, encode_rows command,
                         encoded_handler then) = 0;
  virtual void ask_disk(const disk_actor& whom, write_ops command,
                        written_handler then) = 0;
  /// Bytes of a raw chunk that is safe, or given up.
  virtual void credit_returned(std::uint64_t bytes) = 0;
  /// Rows that are kept with a loss, of a root that has no code book yet.
  virtual void without_book(const digest&, const ready_rows&) {}
  /// One thing fewer is outstanding.
  virtual void settled() = 0;

  /// The first chunk that is written; those before it are on disk.
  void begin_at(std::uint32_t index);

  /// Encodes a chunk and commits it in its turn.
  void encode(std::uint32_t index, const ready_rows& rows,
              float given_error = 0);
  /// Commits a chunk without activations in its turn.
  void seal_without_rows(std::uint32_t index) {
    commits.put(index, {index, {}, 0});
  }
  void commit_sealed();

  /// Lens records of a chunk: they go with its commit, or after it. `whole`:
  /// with those kept before, all of its positions have theirs.
  void keep_lens(std::uint32_t index, lens_block block, bool whole = true);

  /// The last words: final states of all chunks and of the conversation, which
  /// has `ended_as`. `then` runs when they are synced, or that failed.
  void commit_end(std::function<void()> then);

  void write(std::vector<write_op> ops, written_handler then);
  void mark(std::uint32_t index, const digest& name,
            std::optional<presence> activations, std::optional<presence> lens);
  void note(const mark_chunk& m);
  void lose_durability(const error& why);
  /// Changes the conversation's record; `then` gets the outcome.
  void amend_record(const amend_turn& m,
                    std::function<void(const acknowledgement&)> then);

  view_ptr view;
  conversation_record record;
  turn_log log;
  quality kept = quality::lossless;
  std::map<std::uint32_t, lens_block> lens;  // records that go with a commit
  in_order<sealed_chunk> commits;
  std::optional<turn_state> ended_as;  // none: tokens may follow
  std::uint32_t known_chunks = 0;      // that were there before
  bool cut = false;                    // stale ones behind those are gone
  std::uint32_t first_written = 0;     // the first chunk that is written
  std::uint32_t commit_next = 0;       // commits of chunks below are under way
  std::uint32_t stored_next = 0;       // chunks below are known to be on disk
  std::set<std::uint32_t> written;     // those beyond it that are, too
  std::set<std::uint32_t> unwritten;   // those whose commit failed
  std::uint32_t outstanding = 0;  // encodes, lens blocks and commits under way
  bool closing = false;           // the last commit is out
  std::optional<error> not_durable;
  std::uint32_t dropped_positions = 0;

 private:
  void commit(sealed_chunk chunk);
  chunk_record record_to_commit(const sealed_chunk& sealed,
                                const lens_block_ptr& block);
  void committed(const sealed_chunk& chunk, const digest& name,
                 const result<ops_written>& outcome);
  void make_durable();
};

}  // namespace lamina

// The store: one LMDB environment that keeps conversations, tokens, stored
// values, lens records and reference counts. The only place with lmdb.h.
//
// One writer (the disk actor) calls `commit` and `sweep` from its own thread;
// any number of `store_reader`s read from theirs (MDB_NOTLS). Everything that
// must be true together changes in one transaction; whether something exists
// is decided only inside the writer's transaction. No pointer into the map
// leaves this library: readers copy, check and reset.
//
// Values and lens records are counted per chunk name: each conversation whose
// chunk list contains the name holds one reference, and they go with the last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/store/records.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct store_options {
  std::filesystem::path directory;                   // created, mode 0700
  std::uint64_t map_bytes = std::uint64_t{1} << 40;  // reserved, never resized
  std::uint32_t readers_max = 126;
  bool sync = true;  // false only in tests that measure something else
};

/// Creates or replaces a conversation's metadata. A record of fewer turns than
/// the one that is there is ignored: late news.
struct put_conversation {
  conversation_record record;
};

/// Writes chunk `index` of a conversation with what belongs to it. A record
/// that is there with another name gives up its reference to that name. An
/// open tail with fewer tokens than the record that is there is ignored: late
/// news. Values that exist with as many rows are not written again. Fails with
/// not_found when the conversation is not there (any more).
struct put_chunk {
  conversation_id conversation = 0;
  std::uint32_t index = 0;
  chunk_record record;
  std::vector<stored_value_ptr> values;
  lens_block_ptr lens;  // may be null
};

/// Merges lens records into those of a chunk; ignored when nobody refers to
/// the name any more.
struct put_lens {
  digest name;
  lens_block_ptr lens;
};

/// Adds values to a chunk that is referred to, recomputed ones for example: one
/// with as many rows but other bytes replaces a value, for it may be damaged.
/// Fails with not_found when nobody refers to the name any more.
struct put_values {
  digest name;
  std::vector<stored_value_ptr> values;
};

/// Copies the first `record.forked_at` positions of `source` as `record`, and
/// sets its `positions` and `parent`. Full chunks are shared; a partial last
/// one refers to the source's chunk by name with fewer tokens.
struct fork_conversation {
  conversation_id source = 0;
  conversation_record record;
};

/// Removes the conversation at once; its references are given up, and what
/// nobody refers to any more is freed by `sweep`.
struct delete_conversation {
  conversation_id id = 0;
};

using write_op = std::variant<put_conversation, put_chunk, put_lens, put_values,
                              fork_conversation, delete_conversation>;

struct commit_report {
  std::uint64_t values_written = 0;
  std::uint64_t values_shared = 0;  // were there already
  std::uint64_t bytes_written = 0;
  /// One per op, in order: not_found for a fork or delete of nothing, for
  /// example. A failed op leaves the others of its batch untouched.
  std::vector<std::optional<error>> failed;
};

struct sweep_report {
  std::uint64_t names_removed = 0;
  std::uint64_t bytes_removed = 0;
  bool more = false;
};

struct store_statistics {
  std::uint64_t conversations = 0;
  std::uint64_t chunk_names = 0;  // distinct, referred to
  std::uint64_t references = 0;   // sum of the counts
  std::uint64_t values = 0;
  std::uint64_t value_bytes = 0;
  std::uint64_t tombstones = 0;  // names waiting for a sweep
  std::uint64_t file_bytes = 0;
  std::uint64_t free_bytes = 0;  // pages inside the file that can be reused
  std::uint32_t readers = 0;     // store_readers that exist
};

class store_reader;

class store {
 public:
  /// Takes the directory's lock: a second daemon gets `unavailable` naming
  /// the first one's pid. A newer format: unsupported_version. Turns that were
  /// running when the store was last open read as interrupted from here on.
  static result<std::shared_ptr<store>> open(const store_options& options);

  virtual ~store() = default;

  /// One transaction, synced when it returns. The error is the transaction's:
  /// disk_full, io_error. Nothing of the batch is then stored.
  virtual result<commit_report> commit(std::span<const write_op> ops) = 0;

  /// Frees at most `bytes_max` of what nobody refers to any more (but always
  /// at least one record); `more` says that some is left.
  virtual result<sweep_report> sweep(std::uint64_t bytes_max) = 0;

  virtual result<store_statistics> statistics() const = 0;

  virtual std::unique_ptr<store_reader> reader() const = 0;
};

/// One thread at a time. Each call sees one moment of the store and holds it no
/// longer than it runs. May outlive the store that made it.
class store_reader {
 public:
  virtual ~store_reader() = default;

  /// In the order of their ids. A damaged record is passed over, so that it
  /// does not hide the others.
  virtual result<std::vector<conversation_record>> conversations() = 0;
  /// What the last `conversations` passed over: an error each, naming the id.
  virtual std::vector<error> passed_over() const { return {}; }

  /// In order; not_found for a conversation that is not there.
  virtual result<std::vector<chunk_record>> chunks(conversation_id id) = 0;

  /// Copies of the values, in the order of `keys`; absent ones are null. Their
  /// bytes are for the codec's `check`: nothing here vouches for them.
  virtual result<std::vector<stored_value_ptr>> values(
      std::span<const value_key> keys) = 0;

  /// Null when there is none; corrupt when it fails its checksum.
  virtual result<lens_block_ptr> lens(const digest& name) = 0;

  /// How many references a chunk name has.
  virtual result<std::uint32_t> references(const digest& name) = 0;
};

}  // namespace lamina

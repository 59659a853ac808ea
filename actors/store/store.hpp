// The store: one LMDB environment that keeps conversations, tokens, stored
// values, lens records, code books and reference counts. The only place with
// lmdb.h.
//
// One writer (the disk actor) calls `commit`, `sweep`, `evict` and `repair`
// from its own thread; any number of `store_reader`s read from theirs
// (MDB_NOTLS). Everything that must be true together changes in one
// transaction; whether something exists is decided only inside the writer's
// transaction. No pointer into the map leaves this library: readers copy, check
// and reset.
//
// Values and lens records are counted per chunk name: each conversation whose
// chunk list contains the name holds one reference, and they go with the last.
//
// A call that fails (disk_full, io_error) leaves the store as it was before,
// and the next one may succeed. What makes room (a commit of deletions alone, a
// sweep, an eviction) is tried with the spare room (spare_room.hpp) before it
// fails with disk_full. One failure lasts until the store is opened
// again: a page of the map that cannot be read (`unavailable`; a file cut
// short, a failing disk).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/store/contents.hpp"
#include "actors/store/eviction.hpp"
#include "actors/store/records.hpp"
#include "actors/store/reports.hpp"
#include "actors/store/write_ops.hpp"
#include "protocol/error.hpp"

namespace lamina {

struct store_options {
  std::filesystem::path directory;                   // created, mode 0700
  std::uint64_t map_bytes = std::uint64_t{1} << 40;  // reserved, never resized
  std::uint32_t readers_max = 126;
  std::uint64_t spare_bytes = 8u << 20;  // kept back for what makes room
  bool sync = true;  // false only in tests that measure something else
};

class store_reader;

class store {
 public:
  /// Takes the directory's lock: a second daemon gets `unavailable` naming
  /// the first one's pid. An older format is migrated; a newer one:
  /// unsupported_version. Turns that were running when the store was last open
  /// read as interrupted from here on. A damaged environment is moved aside
  /// and an empty one begun: `opened` says so.
  static result<std::shared_ptr<store>> open(const store_options& options);

  virtual ~store() = default;

  virtual const opening_report& opened() const = 0;

  /// One transaction, synced when it returns. The error is the transaction's:
  /// disk_full, io_error. Nothing of the batch is then stored.
  virtual result<commit_report> commit(std::span<const write_op> ops) = 0;

  /// Frees at most `bytes` of what nobody refers to any more (but always
  /// at least one record); `more` says that some is left.
  virtual result<sweep_report> sweep(std::uint64_t bytes_max) = 0;

  /// Sweeps, then lets go of what `request` asks for; one transaction.
  virtual result<eviction_report> evict(const eviction_request& request) = 0;

  /// Looks through the next `records_max` records for such as disagree, and
  /// puts them right. `more`: another call goes on from there.
  virtual result<repair_report> repair(std::uint64_t records_max) = 0;

  /// Any thread, beside the writer. Costs a look at each database's root.
  virtual result<store_statistics> statistics() const = 0;

  /// Any thread. Costs a walk over all chunk records: about a second for ten
  /// million tokens.
  virtual result<usage_report> usage() const = 0;

  /// The same of one conversation, at the cost of a walk over its chunks;
  /// not_found when it is not there.
  virtual result<lamina::usage> usage_of(conversation_id id) const = 0;

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

  /// In order; not_found for a conversation that is not there. Sites whose
  /// values were evicted read as evicted.
  virtual result<std::vector<chunk_record>> chunks(conversation_id id) = 0;

  /// Copies of the values, in the order of `keys`; absent ones are null. Their
  /// bytes are for the codec's `check`: nothing here vouches for them.
  virtual result<std::vector<stored_value_ptr>> values(
      std::span<const value_key> keys) = 0;

  /// One value into `into`, whose memory is used again: for those who read many
  /// and keep none. False when it is not there.
  virtual result<bool> value(const value_key& key, stored_value& into) = 0;

  /// All code books; a damaged one is the error in its place.
  virtual result<std::vector<result<book_record>>> books() = 0;
  /// Nothing when there is none of this id; corrupt when it is damaged.
  virtual result<std::optional<book_record>> book(std::uint64_t id) = 0;

  /// Null when there is none; corrupt when it fails its checksum.
  virtual result<lens_block_ptr> lens(const digest& name) = 0;

  /// What lies under each name, in the order of `names`, with the first
  /// `head_bytes` of each value (0: values are not listed). Touches one page a
  /// value.
  virtual result<std::vector<chunk_contents>> contents(
      std::span<const digest> names, std::size_t head_bytes) = 0;

  /// How many references a chunk name has.
  virtual result<std::uint32_t> references(const digest& name) = 0;
};

}  // namespace lamina

// What the store says about itself: reports of its operations, and its
// accounts. Plain values.
//
// Bytes come in two measures. *Payload* is keys and records as they were
// handed in. *Pages* is what the file spends on them, in whole pages.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/store/records.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// What opening met.
struct opening_report {
  bool unclean = false;            // the last process did not close the store
  std::optional<error> damage;     // why the environment was set aside,
  std::filesystem::path moved_to;  // and where it is now
  std::optional<std::uint32_t> migrated_from;  // an older format's version
};

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

/// One slice of a search for records that disagree. What it found it has put
/// right; freeing what nobody refers to is left to the sweep.
struct repair_report {
  std::uint64_t examined = 0;          // records looked at
  std::uint64_t orphans = 0;           // values and lens records of no one
  std::uint64_t counts_wrong = 0;      // references or bytes of a name
  std::uint64_t references_lost = 0;   // chunks that no count knew of
  std::uint64_t references_stale = 0;  // counted, but no chunk has the name
  std::uint64_t chunks_stray = 0;      // chunks of no conversation, removed
  std::uint64_t access_wrong = 0;      // entries in the access order
  bool more = false;

  std::uint64_t repaired() const {
    return orphans + counts_wrong + references_lost + references_stale +
           chunks_stray + access_wrong;
  }
};

/// The store's counted databases, in the order in which totals are kept.
inline constexpr std::array<std::string_view, 10> table_names = {
    "conversations", "chunks",     "values", "lens",  "names",
    "referrers",     "tombstones", "access", "books", "book_uses"};

struct table_statistics {
  std::uint64_t records = 0;
  std::uint64_t payload_bytes = 0;  // keys and records
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;  // large records, from a page of their own
};

/// Where the file's bytes are. They add up to the byte:
///
///   file_bytes + unwritten_bytes - behind_bytes
///     = own_bytes + live_bytes + rounding_bytes + free_bytes
struct file_accounts {
  std::uint64_t file_bytes = 0;       // as the file system says
  std::uint64_t unwritten_bytes = 0;  // free pages at the end, never written
  std::uint64_t behind_bytes = 0;     // left by a failed commit, not yet in use
  std::uint64_t own_bytes = 0;   // LMDB's: two meta pages, branch pages, and
                                 // the trees of database names and free pages
  std::uint64_t live_bytes = 0;  // payload of the counted databases
  std::uint64_t rounding_bytes = 0;  // the rest of the pages that hold it
  std::uint64_t free_bytes = 0;      // pages that can be used again

  std::uint64_t used_bytes() const {
    return own_bytes + live_bytes + rounding_bytes;
  }
};

struct store_statistics {
  std::uint64_t conversations = 0;
  std::uint64_t chunk_names = 0;  // distinct, referred to
  std::uint64_t references = 0;   // chunks of conversations, all counted
  std::uint64_t values = 0;
  std::uint64_t value_bytes = 0;  // stored values without their keys
  std::uint64_t tombstones = 0;   // names waiting for a sweep
  std::uint64_t file_bytes = 0;
  std::uint64_t free_bytes = 0;  // pages inside the file that can be reused
  std::uint32_t readers = 0;     // store_readers that exist
  /// How long the oldest call that is reading has held its snapshot. While it
  /// does, no page freed since is used again.
  std::uint64_t oldest_reader_ms = 0;
  /// The same in transactions, readers in other processes included.
  std::uint64_t oldest_reader_lag = 0;
  bool unreadable =
      false;  // a page of the map could not be read: see store.hpp
  file_accounts file;
  std::array<table_statistics, table_names.size()> tables;
};

/// Payload bytes of values and lens records.
struct held_bytes {
  std::uint64_t value_bytes = 0;
  std::uint64_t lens_bytes = 0;

  std::uint64_t sum() const { return value_bytes + lens_bytes; }
  held_bytes& operator+=(const held_bytes& other) {
    value_bytes += other.value_bytes;
    lens_bytes += other.lens_bytes;
    return *this;
  }
};

/// What somebody's chunks hold. A chunk is shared when somebody else refers to
/// it too; each counts once, however often it is referred to.
struct usage {
  held_bytes unique;
  held_bytes shared;
  std::uint64_t record_bytes = 0;  // conversation and chunk records: tokens
  std::uint64_t chunks = 0;
};

struct conversation_usage {
  conversation_id id = 0;
  usage used;
};
struct owner_usage {
  std::uint32_t uid = 0;
  std::string token;  // as in conversation_record
  std::uint64_t conversations = 0;
  usage used;
};
struct model_usage {
  std::string model;
  std::uint64_t conversations = 0;
  usage used;
};

/// For each of the three groupings: the sum over `unique` plus `shared` (once)
/// is `held`.
struct usage_report {
  std::vector<conversation_usage> conversations;  // by id
  std::vector<owner_usage> owners;                // by uid
  std::vector<model_usage> models;                // by name
  held_bytes shared_by_conversations;  // of chunks with several of them
  held_bytes shared_by_owners;
  held_bytes shared_by_models;
  held_bytes held;     // of all chunks that are referred to
  held_bytes waiting;  // for a sweep: nobody refers to it any more
};

}  // namespace lamina

// What the store is asked to let go of, and what it did. The decision is made
// elsewhere (actors/cache/retention.hpp); the store knows who refers to what.
//
// Order: activations (stored values) of the conversation that was used least
// recently go first. Whole conversations, tokens and lens records, follow only
// where `records` asks for it. Pinned conversations and those with a running
// turn keep everything, and so does a chunk that one of them refers to. Of
// several conversations that share a chunk the one used last counts.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "actors/chunks/digest.hpp"
#include "actors/store/records.hpp"

namespace lamina {

/// When something goes: while the store uses more than `used_bytes_max`, or
/// when its conversation was last used before `unused_since_unix_ms`.
struct eviction_limits {
  std::uint64_t used_bytes_max = std::numeric_limits<std::uint64_t>::max();
  std::int64_t unused_since_unix_ms = std::numeric_limits<std::int64_t>::min();
};

struct eviction_request {
  eviction_limits values;
  eviction_limits records;
  /// Conversations used later than this (the clock went back since) count as
  /// used now, from now on.
  std::int64_t now_unix_ms = 0;
  /// Bounds of one transaction. At least one value goes, if one may.
  std::uint64_t bytes_max = 64u << 20;
  std::uint64_t chunks_examined_max = 50'000;
};

struct eviction_report {
  std::uint64_t values_removed = 0;
  std::uint64_t bytes_removed = 0;
  std::uint64_t times_corrected = 0;  // access times from the future
  std::vector<digest> names;          // whose values are evicted
  std::vector<conversation_id> conversations_removed;
  std::uint64_t used_bytes = 0;  // of all pages in use, afterwards
  bool more = false;             // a bound was met: ask again
  /// The bytes asked for were not reached, and nothing is left that may go:
  /// pinned conversations and running turns fill the store.
  bool cache_full = false;
};

}  // namespace lamina

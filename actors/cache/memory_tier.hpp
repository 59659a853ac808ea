// The memory tier of one shard: rows in flight, stored values and lens blocks
// by chunk name, within a byte budget, least recently used first out; and, with
// a time to live, those that were not used for so long.
//
// Rows in flight are the only exact copy until they are stored, so they count
// but are not evicted. Pure; owned by one shard actor.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <unordered_map>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "actors/chunks/stored_value.hpp"

namespace lamina {

class memory_tier {
 public:
  struct entry {
    ready_rows raw;  // null chunk: not in flight
    std::map<value_key, stored_value_ptr> values;
    lens_block_ptr lens;
    std::uint64_t bytes = 0;  // of values and lens, which can be evicted
    std::list<digest>::iterator used;
    std::int64_t used_at_ms = 0;  // by the tier's own clock
  };

  /// `ttl_ms` 0: entries go only when there is no room.
  explicit memory_tier(std::uint64_t bytes_max, std::int64_t ttl_ms = 0)
      : bytes_max_(bytes_max), ttl_ms_(ttl_ms) {}

  /// Other limits from now on; what is beyond them goes at once.
  void limit(std::uint64_t bytes_max, std::int64_t ttl_ms);

  /// Sets the tier's clock (a steady one; going back is ignored) and drops
  /// what was last used `ttl_ms` ago or earlier. Costs what it drops.
  void advance(std::int64_t now_ms);

  /// Rows of a chunk in flight; more rows replace fewer.
  void put_raw(const digest& name, const ready_rows& rows);

  /// A value with more rows replaces one with fewer.
  void put_values(const digest& name,
                  const std::vector<stored_value_ptr>& values);

  /// All values of a chunk, as its rows were encoded: they take the place of
  /// the raw rows that they cover.
  void put_sealed(const digest& name,
                  const std::vector<stored_value_ptr>& values);

  void put_lens(const digest& name, lens_block_ptr block);

  void discard(const digest& name);

  /// Only the raw rows in flight; values and records stay.
  void discard_raw(const digest& name);

  /// Null when the name is unknown; counts as a use.
  const entry* find(const digest& name);

  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t raw_bytes() const { return raw_bytes_; }
  std::uint64_t entries() const { return entries_.size(); }
  std::uint64_t evictions() const { return evictions_; }

 private:
  entry& touch(const digest& name);
  void resize(entry& e, std::uint64_t bytes);
  void evict(const digest& keep);
  void evict_beyond(const digest* keep);
  std::list<digest>::iterator drop(std::list<digest>::iterator it);

  std::uint64_t bytes_max_;
  std::int64_t ttl_ms_;
  std::int64_t now_ms_ = 0;
  std::uint64_t bytes_ = 0;      // evictable
  std::uint64_t raw_bytes_ = 0;  // in flight
  std::uint64_t evictions_ = 0;
  std::unordered_map<digest, entry, digest_hash> entries_;
  std::list<digest> order_;  // most recently used first
};

}  // namespace lamina

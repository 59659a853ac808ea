// The KV caches of idle conversations: least recently used ones go when the
// budget is met. Owned by the engine, its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "actors/model/kv_cache.hpp"

namespace lamina {

class kv_store {
 public:
  explicit kv_store(std::size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  /// Tokens at the begin of `tokens` that the conversation's cache holds.
  std::uint32_t common_prefix(std::uint64_t conversation,
                              std::span<const token_id> tokens) const;

  /// The first `length` positions of the conversation's cache. `keep` leaves
  /// it here for others; else it is the caller's now. The conversation has
  /// one.
  kv_cache take(std::uint64_t conversation, std::uint32_t length, bool keep);

  /// Keeps a cache and the tokens it covers, in place of the conversation's
  /// former one, unless that one holds all of it and perhaps more.
  void put(std::uint64_t conversation, std::vector<token_id> tokens,
           kv_cache cache);

  void forget(std::uint64_t conversation);
  void clear();

  std::size_t count() const { return idle_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct entry {
    std::uint64_t conversation;
    std::vector<token_id> tokens;
    kv_cache cache;
  };
  using entries = std::list<entry>;  // most recently used first

  entries::const_iterator find(std::uint64_t conversation) const;

  std::size_t budget_bytes_;
  std::size_t bytes_ = 0;
  entries idle_;
};

}  // namespace lamina

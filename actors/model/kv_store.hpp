// The KV caches of idle conversations: least recently used ones go when the
// budget is met. A conversation that begins like another one of its owner takes
// the beginning from there; pages that several share are counted once. Owned by
// the engine, its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/model/kv_cache.hpp"

namespace lamina {

/// Tokens at the begin of both.
std::uint32_t common_length(std::span<const token_id> a,
                            std::span<const token_id> b);

class kv_store {
 public:
  explicit kv_store(std::size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  /// Tokens at the begin of `tokens` that the conversation's cache holds.
  std::uint32_t common_prefix(std::uint64_t conversation,
                              std::span<const token_id> tokens) const;

  struct match {
    std::uint64_t conversation = 0;
    std::uint32_t length = 0;  // 0: there is none
  };
  /// Whose cache, of this owner's conversations, holds most of the begin of
  /// `tokens`.
  match longest_prefix(const std::string& owner,
                       std::span<const token_id> tokens) const;

  /// The first `length` positions of the conversation's cache. `keep` leaves
  /// it here for others; else it is the caller's now. The conversation has
  /// one.
  kv_cache take(std::uint64_t conversation, std::uint32_t length, bool keep);

  /// Keeps a cache and the tokens it covers, in place of the conversation's
  /// former one, unless that one holds all of it and perhaps more.
  void put(std::uint64_t conversation, std::string owner,
           std::vector<token_id> tokens, kv_cache cache);

  void forget(std::uint64_t conversation);
  void clear();

  std::size_t count() const { return idle_.size(); }
  /// Of all pages, those that several share once.
  std::size_t bytes() const { return uses_.size() * page_bytes_; }
  bool holds(const std::byte* page) const { return uses_.contains(page); }

 private:
  struct entry {
    std::uint64_t conversation;
    std::string owner;
    std::vector<token_id> tokens;
    kv_cache cache;
  };
  using entries = std::list<entry>;  // most recently used first

  entries::const_iterator find(std::uint64_t conversation) const;
  void erase(entries::const_iterator at);

  std::size_t budget_bytes_;
  std::size_t page_bytes_ = 0;
  std::unordered_map<const std::byte*, std::uint32_t> uses_;  // of each page
  entries idle_;
};

}  // namespace lamina

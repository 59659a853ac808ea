// Carries out an eviction (eviction.hpp) inside one write transaction: walks
// the access order from the conversation used least recently.
//
// A shared chunk goes when the walk reaches the conversation that used it
// last. So a conversation that was walked to its end has nothing left that is
// its own to give, and is not looked at again until something stirs it: an
// access, a write, the end of another conversation's reference. What was
// walked is kept in memory only; after a start everything is walked once.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "actors/store/eviction.hpp"
#include "actors/store/holdings.hpp"

namespace lamina {

/// What the walks of one store remember. The writer's thread.
class eviction_memory {
 public:
  bool drained(conversation_id id) const { return drained_.contains(id); }
  void note_drained(conversation_id id);
  /// Where the walk over a conversation's chunks goes on.
  std::uint32_t next_chunk(conversation_id id) const;
  void note_next_chunk(conversation_id id, std::uint32_t index);
  /// Forgets what a committed transaction has stirred.
  void forget(write_transaction& txn);

 private:
  std::set<conversation_id> drained_;
  std::optional<std::pair<conversation_id, std::uint32_t>> half_walked_;
};

class eviction_walk {
 public:
  eviction_walk(write_transaction& txn, const eviction_request& request,
                eviction_memory& memory)
      : txn_(txn), asked_(request), memory_(memory), left_(request.bytes_max) {}

  /// The report; the caller commits when something `changed`.
  result<eviction_report> run();
  bool changed() const { return changed_; }

 private:
  // What of a conversation matters to those that share its chunks.
  struct standing {
    access_entry used;
    bool keeps = false;  // pinned, or its turn is running
  };

  result<void> correct_times();
  result<void> walk(const eviction_limits& limits,
                    result<void> (eviction_walk::*visit)(
                        const standing&, const eviction_limits&));
  result<void> evict_values(const standing& s, const eviction_limits& limits);
  result<void> evict_chunk(const standing& s, byte_view chunk_key);
  result<void> remove_records(const standing& s, const eviction_limits& limits);

  result<std::optional<standing>> standing_of(conversation_id id);
  result<bool> may_go(const standing& s, const digest& name);
  result<bool> wanted(const standing& s, const eviction_limits& limits);
  result<bool> too_much(const eviction_limits& limits);

  write_transaction& txn_;
  const eviction_request& asked_;
  eviction_memory& memory_;
  allowance left_;
  eviction_report report_;
  std::map<conversation_id, standing> standings_;
  std::uint64_t examined_ = 0;
  bool changed_ = false;
};

}  // namespace lamina

// The search actor: reads stored conversations and values with an LMDB reader
// of its own and scores rows, one bounded slice a message. Which conversations
// a client may search is decided before it is asked.
//
// Values that a search reads are used once, so they go nowhere but here: not
// into the shards, where they would push out what is being clicked.
#pragma once

#include <caf/stateful_actor.hpp>
#include <memory>
#include <vector>

#include "actors/book_finder.hpp"
#include "actors/interfaces.hpp"
#include "actors/messages/search.hpp"
#include "actors/search/stored_scores.hpp"
#include "actors/store/store.hpp"

namespace lamina {

/// Bounds on a slice, so that a cancel and other searches get in between: some
/// ten milliseconds.
struct search_options {
  std::uint64_t slice_bytes = 16u << 20;  // of stored values
  std::uint32_t slice_chunks = 1'024;
  std::uint32_t slice_conversations = 64;
  // Of conversations read; each is read whole.
  std::uint32_t slice_positions = 1u << 16;
  std::uint64_t slice_text_bytes = 1u << 20;
};

struct search_state {
  using pointer = search_actor::stateful_pointer<search_state>;
  explicit search_state(pointer) {}

  history_read read(const read_history& m);
  result<history_ptr> read_one(const search_query& query, conversation_id id);
  scoring_result score(const score_chunks& m);
  void score_one(const score_chunks& m, std::size_t index,
                 const stored_value* value, chunks_scored& into,
                 best_hits& best);
  void noticed(const search_query_ptr& query);
  search_status status();

  static inline const char* name = "search";
  search_options options;
  std::shared_ptr<store> environment;
  std::unique_ptr<store_reader> reader;
  stored_scores scores;
  stored_value reading;  // one at a time, always in the same memory
  book_finder books;
  std::vector<std::weak_ptr<const search_query>> running;
  search_status counts;
};

search_actor::behavior_type search(search_state::pointer self,
                                   std::shared_ptr<store> environment,
                                   search_options options);

}  // namespace lamina

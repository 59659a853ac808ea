// Search: ranks stored positions by their likeness to an activation, or finds
// where a text stands, and streams the best so far.
//
// The catalog says which conversations are the asker's; the search actor reads
// and scores them a slice at a time, as they are on disk. What is not yet on
// disk, of a running turn for example, counts as missing.
//
// request_search_query.cpp makes the query and chooses the conversations;
// request_search.cpp goes through them; request_search_answer.cpp puts hits
// into words of the protocol.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/messages/catalog.hpp"
#include "actors/messages/search.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/request.hpp"
#include "actors/search/hits.hpp"
#include "actors/search/seen_rows.hpp"

namespace lamina {

/// Where the query stands that is no client's vector.
struct query_place {
  conversation_record record;
  located_position at;
};

/// What is shown of a hit beside its score.
struct hit_context {
  placed_token token;
  std::string before;
  std::string text;
  std::string after;
};

struct search_request_state {
  using pointer = request_actor::stateful_pointer<search_request_state>;
  explicit search_request_state(pointer actor) : self(actor) {}

  // The query.
  void run();
  void locate_query();
  void load_query();
  void ask_by(std::vector<float> vector);
  void list();
  void choose(const std::vector<conversation_record>& owned);
  bool fits(const conversation_record& record) const;

  // The way through the history.
  void next_conversations();
  void take_conversations(const history_read& read);
  void take(const history_ptr& conversation, std::uint32_t order,
            std::vector<chunk_rows>& fresh);
  std::uint32_t without_query(const history_conversation& conversation,
                              std::uint32_t chunk, std::uint32_t rows) const;
  void take_places();
  void next_chunks(std::size_t begin);
  void take_scores(const chunks_scored& scored);
  void tell(const chunks_scored::damage& damage);
  void add(const search_hit& hit);

  // The answer.
  using hit_key = std::tuple<std::uint32_t, position_t, std::uint32_t>;
  static hit_key key_of(const search_hit& hit) {
    return {hit.conversation, hit.position, hit.tokens};
  }
  hit_context context_of(const search_hit& hit) const;
  std::unique_ptr<wire::SearchHitT> to_wire(const search_hit& hit) const;
  wire::SearchResultT answer() const;
  void show_progress();
  void finish();
  void stop(const error& e);

  static inline const char* name = "request_search";
  pointer self;
  request_context ctx;
  const wire::SearchT* ask = nullptr;
  std::optional<query_place> place;  // of the query, when it is a position
  std::shared_ptr<search_query> query = std::make_shared<search_query>();
  rows_actor rows_source;
  std::vector<conversation_record> chosen;
  std::shared_ptr<const std::vector<conversation_id>> ids;  // of the chosen

  std::size_t taken = 0;                         // conversations
  std::map<std::uint32_t, history_ptr> current;  // by place in the search
  std::shared_ptr<const std::vector<chunk_rows>> pool;  // of the current ones
  std::vector<std::uint64_t> walked_at;  // chunks scanned, by place in pool
  std::uint64_t walked = 0;

  seen_rows seen;
  std::optional<best_hits> best;
  std::map<hit_key, hit_context> contexts;  // of the best, and few others
  wire::SearchResultT counts;               // without hits
  bool frame_out = false;                   // not yet on the wire
  std::chrono::steady_clock::time_point last_frame;
  bool ended = false;
};

}  // namespace lamina

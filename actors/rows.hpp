// A rows actor: finds rows of chunks for one request. Order: memory or disk
// through the shard; else a prefill of the stored tokens, whose further chunks
// are kept for the loads that follow, chunks ascending. It computes a window of
// them at a time, so that rows of a long conversation are never all in memory;
// the KV cache stays with the engine between windows. It ends with its request,
// and what it computes ends too.
//
// Stored values are decoded straight into the block that is the answer, only
// the rows and layers asked for, by as many decoders as the work is worth. One
// load at a time.
#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <map>
#include <optional>
#include <set>

#include "actors/interfaces.hpp"
#include "actors/messages/answer_source.hpp"
#include "actors/messages/codec.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/rows.hpp"
#include "actors/messages/shard.hpp"
#include "actors/model/engine.hpp"

namespace lamina {

using rows_self = rows_actor::extend_with<sequence_sink>;

struct rows_state {
  using pointer = rows_self::stateful_pointer<rows_state>;
  using promise = caf::typed_response_promise<result<rows_loaded>>;

  explicit rows_state(pointer actor) : self(actor) {}
  ~rows_state();

  caf::result<result<rows_loaded>> load(const load_rows& m);
  void found(const values_found& values);
  void find_books(const values_found& values);
  void decode(const values_found& values);
  void decode_share(std::size_t share, std::vector<stored_value_ptr> values);
  void take_share(const values_decoded& decoded);
  void take_decoded();
  void take_damage(const error& what);
  void recompute(const error& because);
  position_t window_end() const;
  void prefill(std::vector<token_id> tokens, const model_actor& model);
  void advance(const sequence_progress& p);
  void answer(result<rows_loaded> loaded);
  rows_loaded take_recomputed(const ready_rows& ready);
  std::uint32_t row_end_of(std::uint32_t rows) const;

  static inline const char* name = "rows";
  pointer self;
  view_ptr view;
  std::size_t window_bytes = 0;
  load_rows wanted;
  book_shelf_ptr books;  // the newest known
  std::optional<promise> reply;
  std::optional<rows_loaded> inexact;  // stored rows, if there are none better
  model_actor runner;                  // of the recomputation
  std::map<std::uint32_t, ready_rows> recomputed;  // by chunk, of one window
  std::set<std::uint32_t> restored;  // chunks that were sent to be stored again

  // The decoding under way.
  std::shared_ptr<row_block> block;
  answer_source source = answer_source::memory;
  std::uint32_t shares_left = 0;  // of decoders that have not answered
  rows_filled filled;
  std::optional<error> damage;  // the first that a decoder met
};

/// Raw rows that one recomputation may hold: enough positions even of a large
/// model to fill the engine's prefill steps.
inline constexpr std::size_t recomputed_bytes_max = std::size_t{128} << 20;

rows_self::behavior_type rows(rows_state::pointer self, view_ptr view);
/// With windows of another size; a window has at least one chunk.
rows_self::behavior_type rows_in_windows(rows_state::pointer self,
                                         view_ptr view,
                                         std::size_t window_bytes);

}  // namespace lamina

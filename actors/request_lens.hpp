// GetLens and ReadLens: the lens of positions, from memory, disk, or computed
// now from rows. Chunks are answered one after the other, so the first ones
// show while later ones are still being read.
//
// GetLens (a click) knows all its positions; ReadLens goes over a range, a
// chunk a round, and where a turn runs waits for its records. Both find or
// compute what is kept in the same way; what is not kept is read out of the
// rows.
//
// request_lens.cpp finds or computes records, request_lens_range.cpp goes over
// a range, request_readout.cpp reads out what records do not have, and
// request_lens_answer.cpp puts it into words of the protocol.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/lens/lens.hpp"
#include "actors/lens/readout.hpp"
#include "actors/messages/answer_source.hpp"
#include "actors/messages/catalog.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/messages/rows.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/messages/turn.hpp"
#include "actors/model/model.hpp"
#include "actors/request.hpp"
#include "actors/store/store.hpp"
#include "actors/store/write_ops.hpp"

namespace lamina {

/// What both requests ask of a position.
struct lens_question {
  std::vector<std::int16_t> layers;  // empty: all
  std::uint32_t top_k = lens_top_k;
};

/// The wanted positions of one chunk.
struct chunk_group {
  std::vector<located_position> positions;  // ascending
  lens_block_ptr block;                     // of the chunk
  lens_block_ptr next;  // of the next chunk, when its first row is needed
  std::optional<error> failure;  // why stored records could not be read
  answer_source source = answer_source::memory;
  float relative_error = 0;  // of the rows its records were computed from

  const located_position& front() const { return positions.front(); }
  const located_position& back() const { return positions.back(); }

  std::uint32_t rows() const {
    std::uint32_t mask = 0;
    for (const auto& at : positions)
      mask |= 1u << row_in_chunk(at.position);
    return mask;
  }
  bool complete() const { return block && (rows() & ~block->complete) == 0; }
  /// Rows that an answer reads: those of the positions, and those of the tokens
  /// that came next, which keep how they were rated.
  std::uint32_t rows_read() const {
    auto mask = rows();
    for (const auto& at : positions)
      if (at.next && !at.next_name) mask |= 1u << row_in_chunk(at.position + 1);
    return mask;
  }
  bool rated() const {
    for (const auto& at : positions) {
      const auto& kept_in = at.next_name ? next : block;
      auto row = row_in_chunk(at.position + 1);
      if (at.next && (!kept_in || (kept_in->rated >> row & 1u) == 0))
        return false;
    }
    return true;
  }
  /// How the last position rated its next token is kept in the next chunk.
  bool needs_next() const { return back().next_name.has_value(); }
};

using lens_request_self = request_actor::extend_with<lens_follower_actor>;

struct lens_request_state {
  using pointer = lens_request_self::stateful_pointer<lens_request_state>;
  explicit lens_request_state(pointer actor) : self(actor) {}

  // A click, and the way to the records of one chunk.
  void run();
  void click();
  void located(const positions_located& found);
  std::optional<error> take_record(const conversation_record& found);
  void group_positions(const positions_located& found);
  void find_block();
  void find_next_block();
  void answer_or_compute();
  void load_exact_rows();
  void take_rows(const rows_loaded& loaded);
  void give_up(const error& why);
  void compute(const ready_rows& ready);
  void compute_rating(const ready_rows& ready);
  void load_next_row(const ready_rows& ready);
  void load_renamed_row(const ready_rows& ready);
  void rate_by(const rows_loaded& first, const ready_rows& ready);
  void rate_next(std::shared_ptr<const lens_input> input);
  load_rows rows_of(const digest& chunk, std::uint32_t index,
                    std::uint32_t begin, std::uint32_t end) const;
  void ask_rows(load_rows load, std::function<void(const rows_loaded&)> then,
                std::function<void(const error&)> otherwise);
  const lens_actor& worker() const;
  void store(std::uint32_t index, const digest& chunk, lens_block_ptr& into,
             const lens_rows_ptr& rows);

  // A range.
  void read_range();
  void follow_turn();
  growth_taken grew(const lens_grew& m);
  void turn_gone();
  void measure();
  void measured(const positions_located& found);
  void next_round();
  void round_located(const positions_located& found);
  void relocate();
  void round_done();
  void write_round();
  void send_part(wire::LensResultT answer);
  void finish_range();
  position_t limit() const;
  position_t recomputed_end(position_t wanted) const;

  // What records do not have.
  bool wants_readout() const;
  void prepare_readout();
  void open_maps();
  std::vector<std::uint32_t> readout_slots() const;
  std::size_t readout_positions() const;
  void load_readout_rows();
  void read_out_slice(const ready_rows& rows, std::size_t begin);
  void send_readout(const ready_rows& rows, std::size_t begin,
                    const readout& computed);
  result<std::vector<token_id>> tracked_tokens() const;

  // The answer.
  std::vector<int> layers() const;
  void send_group();
  using layer_maker = std::function<wire::LensLayerT(int)>;
  wire::LensPositionT position(const located_position& at,
                               const layer_maker& make) const;
  wire::LensPositionT position(const located_position& at) const;
  wire::LensLayerT layer(const located_position& at, int index) const;
  wire::LensLayerT layer(const located_position& at, int index,
                         const layer_readout& from) const;
  const token_rating* rating(const located_position& at, int index) const;
  std::string text(token_id id) const;
  wire::LensResultT part();
  bool is_click() const;
  void stop(const error& e);

  static inline const char* name = "request_lens";
  pointer self;
  request_context ctx;
  lens_question ask;
  conversation_record record;
  model_ptr model;  // null: not loaded, or another one
  quality kept = quality::lossless;
  std::vector<chunk_group> groups;
  std::size_t current = 0;
  std::vector<placed_token> context;
  rows_actor rows_source;
  bool ended = false;  // the terminal frame is on its way

  const wire::ReadLensT* range = nullptr;  // null: a click
  conversation_id asked_id = 0;            // of the range
  position_t cursor = 0;                   // first position not answered
  std::optional<position_t> range_end;     // of the range, once it is known
  writer_actor turn;                       // that is followed
  position_t grown = 0;  // its records below are there, or made when asked for
  bool settled = true;   // nothing runs that would have to be waited for
  bool measured_once = false;
  bool waiting = false;    // for the turn
  bool running = false;    // a turn was being written when the round began
  bool relocated = false;  // in this round
  std::uint32_t positions_done = 0;
  std::uint32_t positions_computed = 0;
  std::vector<put_lens> unwritten;       // of this round of a backfill
  std::vector<chunk_found> unconfirmed;  // what the ledger hears of them
  std::shared_ptr<readout_query> query;  // null: records suffice
  bool told_tracked = false;
};

}  // namespace lamina

// GetLens: lens records of positions, from memory, disk, or computed now from
// exact rows. Chunks are answered one after the other, so the first ones show
// while later ones are still being read.
//
// request_lens.cpp finds or computes the records; request_lens_answer.cpp puts
// them into words of the protocol.
#pragma once

#include <vector>

#include "actors/request.hpp"

namespace lamina {

/// The wanted positions of one chunk.
struct chunk_group {
  std::vector<located_position> positions;  // ascending
  lens_block_ptr block;                     // of the chunk
  lens_block_ptr next;  // of the next chunk, when its first row is needed
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

struct lens_request_state {
  using pointer = request_actor::stateful_pointer<lens_request_state>;
  explicit lens_request_state(pointer actor) : self(actor) {}

  void run();
  void located(const positions_located& found);
  void next_group();
  void find_block();
  void find_next_block();
  void answer_or_compute();
  void load_exact_rows();
  void compute(const ready_rows& ready);
  void compute_rating(const ready_rows& ready);
  void load_next_row(const ready_rows& ready);
  void rate_next(std::shared_ptr<const lens_input> input);
  load_rows rows_of(const digest& chunk, std::uint32_t index,
                    std::uint32_t begin, std::uint32_t end) const;
  void store(std::uint32_t index, const digest& chunk, lens_block_ptr& into,
             const lens_rows_ptr& rows);
  void send_group();
  wire::LensPositionT position(const located_position& at) const;
  wire::LensLayerT layer(const located_position& at, int index) const;
  const token_rating* rating(const located_position& at, int index) const;
  std::string text(token_id id) const;
  bool is_click() const { return ask->positions.size() <= click_positions_max; }
  void stop(const error& e) { send_error(self, ctx, e); }

  static inline const char* name = "request_lens";
  pointer self;
  request_context ctx;
  const wire::GetLensT* ask = nullptr;
  conversation_record record;
  model_ptr model;  // null: not loaded, or another one
  quality kept = quality::lossless;
  std::vector<chunk_group> groups;
  std::size_t current = 0;
  std::vector<placed_token> context;
  rows_actor rows_source;
};

}  // namespace lamina

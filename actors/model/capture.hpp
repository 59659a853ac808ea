// Where one sequence's activations go: raw chunks that the forward pass fills
// and that are announced up to the positions that are final.
//
// Owned by its sequence, engine's thread. A chunk is dropped as soon as its
// 16th row is announced; who was told keeps it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"

namespace lamina {

class capture {
 public:
  /// Keeps positions from `from` (a chunk boundary) on, and the one before,
  /// so that the first can be rated by the lens.
  capture(capture_shape shape, position_t from);

  /// Where to write a position's rows; chunk is null when it is not kept.
  /// Positions come in ascending order, but for those cut off.
  struct place {
    raw_chunk* chunk = nullptr;
    std::uint32_t row = 0;
  };
  place at(position_t position);

  /// What became final since the last call: positions below `end`.
  std::vector<ready_rows> announce(position_t end);

  /// The first position that will be announced next.
  position_t announced() const { return announced_; }
  /// The first position that was asked for, after the predecessor.
  position_t from() const { return from_; }

 private:
  capture_shape shape_;
  position_t from_;
  position_t lowest_;     // from_, or one less
  position_t announced_;  // positions below were announced
  std::deque<std::shared_ptr<raw_chunk>> open_;  // ascending
};

}  // namespace lamina

// Lens records of one sequence whose logits the engine computes with the step
// (lens_mode::eager), and the rating that each position gives to the next.
// Owned by its sequence, engine's thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/lens/distribution.hpp"

namespace lamina {

class eager_lens {
 public:
  /// Records positions from `from` on; the position before only rates.
  eager_lens(std::uint32_t layers, position_t from);

  /// Takes up the next position: how each of its layers + 1 rows of logits is
  /// distributed, the last one being the reference of all.
  void take(position_t position, std::span<const distribution> layers);

  /// The token after the position taken last is known: how each of the same
  /// rows rates it.
  void rate_next(std::span<const token_rating> layers);

  /// Records of the positions below `end` that were not announced yet; null
  /// when there are none.
  lens_rows_ptr announce(position_t end);

 private:
  std::uint32_t rows_;  // layers + 1
  position_t from_;
  position_t announced_;
  std::vector<lens_record> records_;   // from announced_ on
  std::vector<token_rating> ratings_;  // of the position after the last taken
  bool first_rated_ = false;           // of records_
  bool rated_ = false;                 // ratings_ are there
};

}  // namespace lamina

// The best hits so far of a search, in one order that does not depend on when
// they came: by score, then by the conversation's place in the search, then by
// position. Plain values; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/chunks/chunk_key.hpp"

namespace lamina {

/// A position, and where its row is stored: several conversations may hold the
/// same one.
struct search_hit {
  float score = 0;
  std::uint32_t conversation = 0;  // its place in the search
  position_t position = 0;
  std::uint32_t tokens = 1;  // that a text spans from here on
  digest chunk;
  std::uint32_t row = 0;  // in the chunk; of the last token spanned
};

/// True when `a` stands before `b` in the answer.
bool ranks_before(const search_hit& a, const search_hit& b);

/// Keeps the `capacity` best of all that are added.
class best_hits {
 public:
  explicit best_hits(std::size_t capacity) : capacity_(capacity) {}

  /// False when the hit is not among the best.
  bool add(const search_hit& hit);

  std::size_t size() const { return heap_.size(); }

  /// Best first.
  std::vector<search_hit> sorted() const;

 private:
  std::size_t capacity_;
  std::vector<search_hit> heap_;  // the worst one in front
};

}  // namespace lamina

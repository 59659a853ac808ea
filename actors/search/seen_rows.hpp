// Rows that a search has met, by the chunk that stores them. Conversations that
// begin alike share chunks: each row is scored once, and how many conversations
// have it is counted. Plain values; one thread at a time.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "actors/chunks/digest.hpp"

namespace lamina {

class seen_rows {
 public:
  /// A conversation has these rows of the chunk (bit r: row r). Returns those
  /// that no conversation before it had.
  std::uint32_t add(const digest& chunk, std::uint32_t rows);

  /// How many conversations had the row.
  std::uint32_t conversations(const digest& chunk, std::uint32_t row) const;

 private:
  // Most chunks belong to one conversation: what the first has costs some 50
  // bytes, and only those met again have a list.
  std::unordered_map<digest, std::uint32_t, digest_hash> first_;
  std::unordered_map<digest, std::vector<std::uint32_t>, digest_hash> again_;
};

}  // namespace lamina

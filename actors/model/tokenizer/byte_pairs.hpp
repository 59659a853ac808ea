// Byte-pair encoding: joins the bytes of a piece of text, best-ranked pair
// first, until no known pair is left. Immutable after `add_merge`s; any
// thread.
//
// Follows Hugging Face `tokenizers` to the order in which equal ranks join
// (leftmost first). O(n log n) in the bytes of a piece: a linked list of
// symbols and a heap of candidate pairs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/site.hpp"

namespace lamina {

class byte_pairs {
 public:
  /// The token of each single byte.
  using byte_tokens = std::array<token_id, 256>;

  explicit byte_pairs(const byte_tokens& bytes) : bytes_(bytes) {}

  /// `left` and `right` join to `joined`. Lower ranks join first. A pair that
  /// is added again takes the later rank.
  void add_merge(token_id left, token_id right, std::uint32_t rank,
                 token_id joined);

  /// Appends the tokens of `piece`. Returns the work that took: pairs put into
  /// the heap, which are less than three for each byte.
  std::size_t encode(std::string_view piece, std::vector<token_id>& out) const;

  token_id of_byte(std::uint8_t byte) const { return bytes_[byte]; }

 private:
  struct merge {
    std::uint32_t rank;
    token_id joined;
  };
  class joining;

  std::optional<merge> find(token_id left, token_id right) const;

  byte_tokens bytes_;
  std::unordered_map<std::uint64_t, merge> merges_;
};

}  // namespace lamina

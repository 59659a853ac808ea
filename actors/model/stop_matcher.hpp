// Finds stop strings in the bytes of an answer while it is being written.
//
// Tokens and stop strings do not end at the same bytes: a token that could be
// the begin of a stop string is withheld until that is decided. When several
// stop strings are complete after a token, the one that begins first wins.
// Plain value of one sequence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"

namespace lamina {

/// limit_exceeded, invalid_argument (an empty stop string).
result<void> check_stops(const std::vector<std::string>& stops);

/// Where an answer ends because of a stop string.
struct stop_match {
  /// Tokens of the answer before the stop string's first byte, with the one
  /// that it begins inside.
  std::uint32_t kept_tokens = 0;
  /// When the stop string begins inside the last of them: how many of that
  /// token's bytes come before it.
  std::optional<std::uint32_t> last_token_text_bytes;
};

class stop_matcher {
 public:
  explicit stop_matcher(std::vector<std::string> stops);

  /// Appends the bytes of the answer's next token. After a match nothing
  /// more may be pushed.
  std::optional<stop_match> push(std::string_view token_bytes);

  /// Last tokens of the answer that may yet be part of a stop string.
  std::uint32_t withheld() const { return withheld_; }

 private:
  std::optional<std::size_t> find_from(std::size_t old_end) const;
  void drop_decided(std::size_t begin);
  std::size_t token_at(std::size_t byte) const;
  stop_match cut_at(std::size_t stop_begin) const;
  std::size_t candidate_begin() const;

  std::vector<std::string> stops_;
  // The end of the answer that a stop string can still reach into, and where
  // each of its tokens begins in it. Tokens before were dropped.
  std::string text_;
  std::vector<std::size_t> token_begins_;
  std::uint32_t dropped_tokens_ = 0;
  std::uint32_t withheld_ = 0;
};

}  // namespace lamina

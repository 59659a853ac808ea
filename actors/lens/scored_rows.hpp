// Rows of logits that stay where they were computed, on a device: only what is
// made of them comes back. What a lens record needs of a row is a few numbers,
// a row is a vocabulary long.
//
// Made by an output head or an architecture (actors/model) that computes on a
// device. Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/lens/distribution.hpp"

namespace lamina {

/// A row, and the one that it is compared with.
struct row_pair {
  std::uint32_t row = 0;
  std::uint32_t reference = 0;
};

struct row_token {
  std::uint32_t row = 0;
  token_id token = 0;  // below the vocabulary's size
};

class scored_rows {
 public:
  virtual ~scored_rows() = default;

  /// What `summarise_row` says of each row; sums are in float.
  virtual std::vector<distribution> summarise(
      std::span<const row_pair> rows) const = 0;

  /// How each row rates its token, as `rate_row`.
  virtual std::vector<token_rating> rate(
      std::span<const row_token> rows) const = 0;

  /// The logits themselves: [rows][vocabulary].
  virtual std::vector<float> logits(
      std::span<const std::uint32_t> rows) const = 0;
};

using scored_rows_ptr = std::unique_ptr<const scored_rows>;

}  // namespace lamina

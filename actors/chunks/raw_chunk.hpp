// A raw chunk: the exact activations of up to 16 consecutive positions, all
// captured sites and layers, as the forward pass wrote them.
//
// The engine allocates one per chunk and sequence and fills it row by row.
// Ownership is shared: the engine's thread writes row r, then sends a message
// that says `rows_ready = r + 1`; whoever holds that message reads rows below
// it and nothing else. A published row never changes, so no lock is needed.
// The memory goes when the last reference does.
//
// Brought rows stay in the frames they came in: a chunk of such rows says where
// each lies, and keeps the frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "actors/chunks/chunk_key.hpp"
#include "protocol/site.hpp"

namespace lamina {

/// What a model's captures look like; the same for all chunks of a model.
struct capture_shape {
  std::uint32_t layers = 0;  // transformer layers
  std::uint32_t width = 0;   // model dimension d
  dtype element = dtype::float32;

  /// Rows of one position: embed, resid_post of each layer, final_norm.
  std::uint32_t slots() const { return layers + 2; }
  std::size_t row_bytes() const { return width * size_of(element); }

  friend bool operator==(const capture_shape&, const capture_shape&) = default;
};

/// Slot of a site: embed is 0, resid_post of layer l is 1 + l, final_norm is
/// layers + 1. `layer` counts only for sites that are per layer.
constexpr std::uint32_t slot_of(site s, std::uint32_t layer,
                                std::uint32_t layers) {
  return s == site::embed ? 0 : s == site::resid_post ? 1 + layer : layers + 1;
}

/// Which sites there are rows of: bit s for site s.
using site_mask = std::uint8_t;

constexpr site_mask mask_of(site s) {
  return static_cast<site_mask>(1u << static_cast<unsigned>(s));
}

inline constexpr site_mask all_sites = mask_of(site::embed) |
                                       mask_of(site::resid_post) |
                                       mask_of(site::final_norm);

class raw_chunk {
 public:
  /// With memory of its own: [slot][row 0..15][width], zeroed, 64-byte aligned.
  raw_chunk(capture_shape shape, position_t first_position);
  /// Of rows that lie elsewhere (`lay`). Brought activations may lack sites:
  /// the rows of these are zero.
  raw_chunk(capture_shape shape, position_t first_position, site_mask sites);
  raw_chunk(const raw_chunk&) = delete;
  raw_chunk& operator=(const raw_chunk&) = delete;

  const capture_shape& shape() const { return shape_; }
  position_t first() const { return first_; }
  site_mask sites() const { return sites_; }
  bool holds(site s) const { return (sites_ & mask_of(s)) != 0; }

  /// One row: `width` elements of the shape's dtype. One that lies elsewhere
  /// must have been laid.
  std::span<const std::byte> row(std::uint32_t slot, std::uint32_t row) const;

  /// To be written; of a chunk with memory of its own.
  std::span<std::byte> row(std::uint32_t slot, std::uint32_t row);
  /// All 16 rows of one slot, contiguous; of a chunk with memory of its own.
  std::span<const std::byte> rows(std::uint32_t slot) const;

  /// Where rows begin .. end-1 lie: from `at` on those of the first slot that
  /// the sites have, one after another, and `slot_bytes` behind it those of the
  /// next slot. `owner` keeps them.
  void lay(std::uint32_t begin, std::uint32_t end, const std::byte* at,
           std::size_t slot_bytes, std::shared_ptr<const void> owner);

  /// Of all rows of the slots it holds.
  std::size_t bytes() const;

 private:
  struct place {
    const std::byte* first_slot = nullptr;
    std::size_t slot_bytes = 0;           // from one slot to the next
    std::shared_ptr<const void> owner{};  // null: the chunk itself
  };

  bool holds_slot(std::uint32_t slot) const;
  /// Its number among the slots that the sites have.
  std::uint32_t place_of(std::uint32_t slot) const;

  capture_shape shape_;
  position_t first_;
  site_mask sites_;
  struct aligned_delete {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte[], aligned_delete> storage_;
  std::array<place, chunk_positions> places_{};  // of each row
  std::vector<std::byte> absent_;  // a row of a slot that it does not hold
};

using raw_chunk_ptr = std::shared_ptr<const raw_chunk>;

/// A raw chunk and which of its rows may be read: begin .. end-1. Begin is not
/// 0 only when a prefill restarted inside the chunk.
struct ready_rows {
  raw_chunk_ptr chunk;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// Widens one row to float32; `out` has as many elements as the row.
void widen_row(std::span<const std::byte> row, dtype element,
               std::span<float> out);

}  // namespace lamina

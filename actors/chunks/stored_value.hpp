// Stored values: the encoded form of activations, the same bytes in memory, on
// disk and, if asked, on the wire.
//
// Layers are coded in key groups: `key_interval` consecutive layers, of which
// the first, the key layer, stands by itself and each other one is predicted
// from the one below. A stored value packs whole key groups of one (chunk,
// site), so that no layer ever needs another value: as many as keep the raw
// bytes within `stored_value_raw_bytes_max`, at least one. Small models get one
// value per chunk and do not drown in page rounding; large ones get one per key
// group, so that reading one layer does not read the whole chunk. Immutable;
// shared by pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "actors/chunks/chunk_key.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "protocol/site.hpp"

namespace lamina {

inline constexpr std::uint32_t key_interval = 8;
inline constexpr std::size_t stored_value_raw_bytes_max = 1024 * 1024;

/// What a stored value is of. The first layer is 0 for sites without layers.
struct value_key {
  digest chunk;
  site at = site::resid_post;
  std::uint16_t first_layer = 0;

  friend auto operator<=>(const value_key&, const value_key&) = default;
};

struct value_key_hash {
  std::size_t operator()(const value_key& k) const {
    return digest_hash{}(k.chunk) ^
           (static_cast<std::size_t>(k.at) << 56 | k.first_layer);
  }
};

/// Layers that share one stored value: all, or a multiple of `key_interval`.
std::uint32_t layers_per_value(const capture_shape& shape);

/// The values that hold the given site: one key for embed and final_norm, one
/// per group of layers for resid_post.
std::vector<value_key> value_keys(const digest& chunk, site s,
                                  const capture_shape& shape);

struct stored_value {
  value_key key;
  std::uint32_t rows = 0;        // positions held, 1 .. 16
  std::vector<std::byte> bytes;  // header, offset table, key groups
  float relative_error = 0;      // of its worst row; 0: exact
  std::uint64_t book = 0;        // id of the code book it needs; 0: none
  /// Its checksum is known to hold: it was made in this process, or compared
  /// since it was read. Decoding then does not compare it again.
  bool checked = false;
};

/// Where the id of the code book stands in a value's bytes, for those who do
/// not look at the rest of the header.
inline constexpr std::size_t value_book_offset = 64;

/// That id; 0 for bytes that are no value of this format (version 2).
std::uint64_t book_named_by(std::span<const std::byte> bytes);

using stored_value_ptr = std::shared_ptr<const stored_value>;

}  // namespace lamina

// Stored values: the encoded form of activations, the same bytes in memory, on
// disk and, if asked, on the wire.
//
// A block is one chunk x one layer x one site: the unit of encoding. A stored
// value packs the blocks of consecutive layers of one (chunk, site), as many as
// keep the raw bytes within `stored_value_raw_bytes_max`, behind an offset
// table, so that small models do not drown in page rounding and one layer
// still touches only its own pages. Immutable; shared by pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/chunks/chunk_key.hpp"
#include "actors/chunks/raw_chunk.hpp"
#include "protocol/site.hpp"

namespace lamina {

inline constexpr std::size_t stored_value_raw_bytes_max = 256 * 1024;

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

/// Layers that share one stored value; at least 1.
std::uint32_t layers_per_value(const capture_shape& shape);

/// The values that hold the given site: one key for embed and final_norm, one
/// per group of layers for resid_post.
std::vector<value_key> value_keys(const digest& chunk, site s,
                                  const capture_shape& shape);

struct stored_value {
  value_key key;
  std::uint32_t rows = 0;        // positions held, 1 .. 16
  std::vector<std::byte> bytes;  // header, offset table, blocks
};

using stored_value_ptr = std::shared_ptr<const stored_value>;

}  // namespace lamina

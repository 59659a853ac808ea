// One position's rows of a key group: consecutive layers, the first of which is
// the key layer and coded by itself, while each of the others is predicted from
// the one below. A stream holds them all, needs nothing from outside but its
// shape, and can be decoded up to any layer.
//
// A stream, all numbers little-endian (docs/storage-format.md has the details):
//   u8       mode: 0 raw, 1 lossless, 2 lossy
//   raw:     the rows
//   else:    a header per layer: 3 bytes lossy, 2 bytes lossless
//            per layer: bit planes of the numbers' low bits, then for float32
//            the lowest 16 bits of each as they are
//            u32 x lanes: the coders' states
//            words of 16 bits, forwards
//            escapes, backwards from the stream's end
//
// What must be exact but cannot be coded so takes a lesser mode: rows with
// numbers that are not finite are lossless in every quality, and rows that
// coding would not shrink are raw.
//
// Working memory belongs to the thread that first encodes or decodes on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "actors/codec/quality.hpp"
#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

enum class row_mode : std::uint8_t { raw = 0, lossless = 1, lossy = 2 };

/// Greatest errors of any row, relative to the root mean square of the same
/// channels; never below what they truly are.
struct row_errors {
  float row = 0;       // all channels
  float ordinary = 0;  // ordinary channels (quality.hpp)
  float largest = 0;   // the others; 0 where there are none

  void include(const row_errors& other);
};

/// Mean rows to take away from lossy layers, one for each; empty: none.
using layer_means = std::span<const std::span<const float>>;

/// Appends the stream of `layers` (each a row of `width` elements), and makes
/// `errors` include theirs.
void append_rows(std::span<const std::byte* const> layers, std::size_t width,
                 dtype element, quality kept, layer_means means,
                 row_errors& errors, std::vector<std::byte>& out);

/// Decodes a stream, encoded with these means, of `layer_count` layers from its
/// first up to layer outputs.size() - 1; rows go where `outputs` points, null
/// ones nowhere. Any bytes give rows or corrupt.
result<void> decode_rows_of(std::span<const std::byte> stream,
                            std::size_t layer_count, std::size_t width,
                            dtype element, layer_means means,
                            std::span<std::byte* const> outputs);

}  // namespace lamina

// Activation codecs: raw rows to stored values and back. Pure functions; the
// only place with zstd.
//
// Stored value (docs/storage-format.md): a header that repeats its full key,
// codec, shape, dtype, rows and stored error, an XXH3-64 checksum seeded with
// the key, an offset table, then one block per layer. Little-endian.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/chunks/stored_value.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Recorded in every stored value. The lossy qualities get the numbers that
/// follow.
enum class codec_id : std::uint8_t {
  raw = 0,       // the rows as they are: where coding would not shrink them
  lossless = 1,  // byte planes, zstd
};

/// Encodes rows 0 .. rows-1 of one value's layers. `key` says which.
stored_value encode(const value_key& key, const raw_chunk& chunk,
                    std::uint32_t rows, codec_id codec);

/// All values of a chunk: every site and layer.
std::vector<stored_value_ptr> encode_chunk(const digest& chunk_name,
                                           const raw_chunk& chunk,
                                           std::uint32_t rows, codec_id codec);

/// What a value's header says, after its checks.
struct stored_header {
  value_key key;
  codec_id codec = codec_id::raw;
  capture_shape shape;
  std::uint32_t rows = 0;
  std::uint32_t layers = 0;  // blocks in this value
  float relative_error = 0;  // 0: exact
};

/// Checks magic, checksum, version, key and bounds: corrupt, with what differs;
/// unsupported_version for a sound value of a newer format.
result<stored_header> check(const value_key& key,
                            std::span<const std::byte> bytes);

/// Decodes one layer's rows begin .. end-1 into `out`, (end-begin) rows of the
/// shape's dtype. `layer` counts only for sites that are per layer.
/// out_of_range when the value does not hold them. The value must have passed
/// `check`; still bounds-checked: any bytes give rows or `corrupt`.
result<void> decode_rows(const stored_header& header,
                         std::span<const std::byte> bytes, std::uint32_t layer,
                         std::uint32_t begin, std::uint32_t end,
                         std::span<std::byte> out);

/// Rebuilds the slots of a raw chunk that these values hold; the others are
/// zero. For readers that asked for some layers only.
result<raw_chunk_ptr> decode_slots(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values);

/// Rebuilds a raw chunk from its values, for the lens. Null values are passed
/// over; not_found when a layer or the embedding is then missing (final_norm
/// may be: its rows, and rows beyond a value's, are zero).
result<raw_chunk_ptr> decode_chunk(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values);

}  // namespace lamina

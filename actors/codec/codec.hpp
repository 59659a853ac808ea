// Activation codecs: raw rows to stored values and back. Pure functions.
//
// Stored value (docs/storage-format.md): a header that repeats its full key,
// quality, shape, dtype, rows and stored errors, an XXH3-64 checksum seeded
// with the key, an offset table, then a part per key group, and in it a stream
// per row. Little-endian. docs/codecs.md says why.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/chunks/row_block.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/codec/book_shelf.hpp"
#include "actors/codec/codebook.hpp"
#include "actors/codec/quality.hpp"
#include "actors/codec/row_codec.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Encodes rows 0 .. rows-1 of one value's layers. `key` says which. `book`, if
/// any, has the chunk's shape; lossy values then name it. `given_error`: the
/// relative error that the rows came with; the value's is never less.
stored_value encode(const value_key& key, const raw_chunk& chunk,
                    std::uint32_t rows, quality kept,
                    const codebook* book = nullptr, float given_error = 0);

/// All values of a chunk: every layer of every site that it holds.
std::vector<stored_value_ptr> encode_chunk(const digest& chunk_name,
                                           const raw_chunk& chunk,
                                           std::uint32_t rows, quality kept,
                                           const codebook* book = nullptr,
                                           float given_error = 0);

/// What a value's header says, after its checks.
struct stored_header {
  value_key key;
  quality kept = quality::raw;
  capture_shape shape;
  std::uint32_t rows = 0;
  std::uint32_t layers = 0;  // in this value
  std::uint32_t key_interval = lamina::key_interval;
  row_errors errors{};     // of the worst row in it; all 0: exact
  std::uint64_t book = 0;  // id of the code book it needs; 0: none
};

/// Checks magic, checksum, version, key and bounds: corrupt, with what differs;
/// unsupported_version for a sound value of another version.
result<stored_header> check(const value_key& key,
                            std::span<const std::byte> bytes);

/// The error of the worst row, from the header of a value that has passed
/// `check`: what is known of it elsewhere is under no checksum.
float worst_error_of(std::span<const std::byte> bytes);

/// `check` but for the checksum: of bytes that are known to pass it.
result<stored_header> read_header(const value_key& key,
                                  std::span<const std::byte> bytes);

/// What a header says, from a value's first `stored_head_bytes` alone: nothing
/// vouches for it. corrupt when it cannot be the header of a value under `key`.
inline constexpr std::size_t stored_head_bytes = 72;
result<stored_header> peek(const value_key& key,
                           std::span<const std::byte> head);

/// Layers and rows of a value, each begin .. end-1. Layers count as in the
/// model, and only for sites that are per layer: others have layer 0.
struct stored_part {
  std::uint32_t layer_begin = 0;
  std::uint32_t layer_end = 0;
  std::uint32_t row_begin = 0;
  std::uint32_t row_end = 0;
};

/// Decodes a part into `out`: [layer][row][width] of the shape's dtype. Costs
/// as much as decoding the layers from the key layer on, of these rows only.
/// out_of_range when the value does not hold the part, corrupt when `book` is
/// not the one that it names. The value must have passed `check`; still
/// bounds-checked: any bytes give rows or `corrupt`.
result<void> decode_part(const stored_header& header,
                         std::span<const std::byte> bytes,
                         const stored_part& part, std::span<std::byte> out,
                         const codebook* book = nullptr);

/// decode_part of one layer, which is ignored for sites that have none.
result<void> decode_rows(const stored_header& header,
                         std::span<const std::byte> bytes, std::uint32_t layer,
                         std::uint32_t begin, std::uint32_t end,
                         std::span<std::byte> out,
                         const codebook* book = nullptr);

/// Fills the slots of `out` that these values hold, all of its rows, and says
/// how many slots that were. Nothing else is decoded but the layers that lead
/// to them. Values that are not marked as checked are checked; they must be of
/// the chunk that `out` is of. out_of_range when one has too few rows; corrupt
/// when one needs a book that is not on the shelf.
result<std::size_t> decode_into(std::span<const stored_value_ptr> values,
                                const book_shelf& books, row_block& out);

/// Rebuilds the slots of a raw chunk that these values hold; the others are
/// zero. For readers that asked for some layers only.
result<raw_chunk_ptr> decode_slots(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values,
                                   const codebook* book = nullptr);

/// Rebuilds a raw chunk from its values, for the lens. Null values are passed
/// over; not_found when a layer or the embedding is then missing (final_norm
/// may be: its rows, and rows beyond a value's, are zero).
result<raw_chunk_ptr> decode_chunk(const digest& chunk_name,
                                   const capture_shape& shape, position_t first,
                                   std::span<const stored_value_ptr> values,
                                   const codebook* book = nullptr);

}  // namespace lamina

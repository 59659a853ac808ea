// The frame around a stored value's key groups: header, checksum, offset table.
// Pure functions; docs/storage-format.md is the same in prose.
//
//    0  u8[4]   magic "LVAL"
//    4  u16     format version, 2
//    6  u8      quality
//    7  u8      dtype
//    8  u64     checksum
//   16  u8[16]  chunk name
//   32  u8      site
//   33  u8      rows, 1 .. 16
//   34  u16     first layer
//   36  u16     layers in this value
//   38  u8      key interval: layers from one key layer to the next
//   39  u8      0
//   40  u32     layers of the model
//   44  u32     width
//   48  f32     relative error of the worst row; 0: exact
//   52  f32     the same over ordinary channels only
//   56  f32     the same over the other channels only
//   60  u32     0
//   64  u64     id of the code book; 0: none
//   72  u32 x (groups + 1)  where each key group begins, and where the last
//                           ends; a group begins with u32 x (rows + 1), the
//                           same for its rows, counted from the group's start
//
// The first 16 bytes and the checksum's rule stay the same in every version,
// so that a newer value is told from a damaged one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "actors/codec/codec.hpp"

namespace lamina {

inline constexpr std::uint16_t value_format_version = 2;
inline constexpr std::size_t value_header_bytes = 72;

/// Bounds on what a header may say; far beyond any model.
inline constexpr std::uint32_t value_layers_max = 4'096;
inline constexpr std::uint32_t value_width_max = 1u << 20;
inline constexpr std::uint32_t value_key_interval_max = 64;

/// Key groups of a value.
constexpr std::uint32_t groups_of(const stored_header& h) {
  return (h.layers + h.key_interval - 1) / h.key_interval;
}

/// Bytes from the value's start to its first group.
constexpr std::size_t groups_begin(std::uint32_t groups) {
  return value_header_bytes + (std::size_t{groups} + 1) * sizeof(std::uint32_t);
}

/// Makes `value` the header with room for the offset table; checksum, errors
/// and offsets are still to be filled in.
void begin_value(const stored_header& header, std::vector<std::byte>& value);

/// Sets what was not known when the value was begun.
void set_errors(std::span<std::byte> value, const row_errors& errors);

/// Writes entry `index` of an offset table that begins at `table`.
void set_offset(std::span<std::byte> table, std::uint32_t index,
                std::size_t offset);

/// XXH3-64 of everything from byte 16 on, seeded with the XXH3-64 of the key
/// (name, site, first layer as in the header) and bytes 0 to 7.
std::uint64_t value_checksum(const value_key& key,
                             std::span<const std::byte> value);

/// Fills in the checksum; nothing may change afterwards.
void seal_value(const value_key& key, std::span<std::byte> value);

/// The bytes of one key group; corrupt when the table points outside.
result<std::span<const std::byte>> group_of(const stored_header& header,
                                            std::span<const std::byte> value,
                                            std::uint32_t index);

/// The stream of one row of a group; corrupt when its table points outside.
result<std::span<const std::byte>> row_of(const stored_header& header,
                                          std::span<const std::byte> group,
                                          std::uint32_t row);

}  // namespace lamina

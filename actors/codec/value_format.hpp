// The frame around a stored value's blocks: header, checksum, offset table.
// Pure functions; docs/storage-format.md is the same in prose.
//
//    0  u8[4]   magic "LVAL"
//    4  u16     format version, 1
//    6  u8      codec
//    7  u8      dtype
//    8  u64     checksum
//   16  u8[16]  chunk name
//   32  u8      site
//   33  u8      rows, 1 .. 16
//   34  u16     first layer
//   36  u16     layers in this value
//   38  u16     0
//   40  u32     layers of the model
//   44  u32     width
//   48  f32     relative error; 0: exact
//   52  u32     0
//   56  u32 x (layers + 1)  where each block begins, and where the last ends
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

inline constexpr std::uint16_t value_format_version = 1;
inline constexpr std::size_t value_header_bytes = 56;

/// Bounds on what a header may say; far beyond any model.
inline constexpr std::uint32_t value_layers_max = 4'096;
inline constexpr std::uint32_t value_width_max = 1u << 20;

/// Bytes from the value's start to its first block.
constexpr std::size_t blocks_begin(std::uint32_t layers) {
  return value_header_bytes + (std::size_t{layers} + 1) * sizeof(std::uint32_t);
}

/// The header, then an offset table and a checksum still to be filled in.
std::vector<std::byte> begin_value(const stored_header& header);

/// Sets where block `index` begins; index `layers` is where the last one ends.
void set_offset(std::span<std::byte> value, std::uint32_t index,
                std::size_t offset);

/// XXH3-64 of everything from byte 16 on, seeded with the XXH3-64 of the key
/// (name, site, first layer as in the header) and bytes 0 to 7.
std::uint64_t value_checksum(const value_key& key,
                             std::span<const std::byte> value);

/// Fills in the checksum; nothing may change afterwards.
void seal_value(const value_key& key, std::span<std::byte> value);

/// The bytes of one block; corrupt when the table points outside.
result<std::span<const std::byte>> block_of(const stored_header& header,
                                            std::span<const std::byte> value,
                                            std::uint32_t index);

}  // namespace lamina

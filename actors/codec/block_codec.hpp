// One block, the unit of encoding: the rows of one chunk, site and layer.
//
// Neighbouring activations share little but their magnitude, so the bytes of
// an element are taken apart: its sign moves to the bottom, after which the
// top byte is the exponent (of bfloat16 and float32; float16's top byte holds
// five exponent bits and three of the fraction). Equal bytes of all elements
// form a plane. Exponents take few values and shrink to less than half; the
// other planes are nearly random and stay as they are, unless they do shrink.
//
// A block, all numbers little-endian:
//   u8                      coding: 0 the rows as they are, 1 planes
//   u32 x size of element   (planes) bytes of each plane, exponent first
//   planes                  a plane as long as the block has elements is kept
//                           as it is; a shorter one is a zstd frame
//
// zstd's contexts belong to the thread that first encodes or decodes on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/site.hpp"

namespace lamina {

enum class block_coding : std::uint8_t { raw = 0, planes = 1 };

/// Appends the block of `rows` (whole elements) to `out`. Rows that planes
/// would not shrink are appended raw, as they are when `shrink` is false.
void append_block(std::span<const std::byte> rows, dtype element, bool shrink,
                  std::vector<std::byte>& out);

/// Elements of a block, and those of them that are wanted: begin .. end-1.
struct element_range {
  std::size_t count = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Writes the wanted elements to `out`, which has room for exactly them.
/// corrupt when `block` cannot be one of `range.count` elements.
result<void> decode_block(std::span<const std::byte> block, dtype element,
                          const element_range& range, std::span<std::byte> out);

}  // namespace lamina

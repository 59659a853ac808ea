// Interleaved rANS: a symbol costs as many bits as its probability says, and 4
// or 32 coders share one stream so that a processor's vectors are kept busy.
// Sources: J. Duda, "Asymmetric numeral systems: entropy coding combining speed
// of Huffman coding with compression rate of arithmetic coding" (2013);
// F. Giesen, "Interleaved entropy coders" (2014).
//
// States are 32 bits wide, in [2^15, 2^31), and grow and shrink by words of 16
// bits. Symbol i belongs to coder i mod lanes. All lanes take a step together;
// within a step the lower lane reads its word first. A sequence whose length is
// no multiple of the lanes ends with a step of its first lanes only.
//
// Pure functions, vectorised with Highway's run-time dispatch. All arithmetic
// is on integers: every target writes and reads the same words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina {

inline constexpr std::size_t rans_lanes_max = 32;
inline constexpr std::uint32_t rans_state_first = 1u << 15;

/// Words that must be writable below, or readable beyond, those that count.
inline constexpr std::size_t rans_slack_words = 16;

/// Coders for rows of this width: 4, which run in plain registers, or 32, which
/// fill vectors. Each costs two bytes a row and key group.
constexpr std::size_t rans_lanes(std::size_t width) {
  return width < 2048 ? 4 : rans_lanes_max;
}

/// Encodes `count` symbols from the last to the first. `entries[i]` is what a
/// set of tables' `encode` has for symbol i, and has slots. Words are written
/// downwards from `end`; where they begin now is returned.
std::uint16_t* rans_encode(const std::uint32_t* entries, std::size_t count,
                           std::size_t lanes, std::uint32_t* states,
                           std::uint16_t* end);

/// Decodes `count` symbols with tables[i] (one table, `tables` null: the first)
/// of a set's `decode`; returns where the next word lies. Any states and words
/// give symbols; at most `count` words are consumed.
const std::uint16_t* rans_decode(const std::uint32_t* decode,
                                 const std::uint16_t* tables, std::size_t count,
                                 std::size_t lanes, std::uint32_t* states,
                                 const std::uint16_t* words,
                                 std::uint8_t* symbols);

}  // namespace lamina

// The bits of a row's numbers that are not entropy coded, as planes: bit b of
// all channels together.
//
// Pure functions, vectorised with Highway's run-time dispatch; the same bytes
// on every target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lamina {

/// Bytes that must be readable beyond bit planes.
inline constexpr std::size_t planes_slack_bytes = 8;

constexpr std::size_t plane_bytes(std::size_t count) {
  return (count + 7) / 8;
}

/// Plane b holds bit b of every number, channel i at bit i mod 8 of byte i / 8.
void pack_planes(std::span<const std::uint8_t> low, std::uint32_t bits,
                 std::byte* planes);
void unpack_planes(const std::byte* planes, std::uint32_t bits,
                   std::span<std::uint8_t> low);

}  // namespace lamina

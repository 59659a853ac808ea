// Integers in the byte order of Lamina's formats, wherever it runs.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace lamina {

/// The integer at `at`, of which sizeof(Int) bytes must be readable; any
/// alignment.
template <std::unsigned_integral Int>
Int load_little(const std::byte* at) {
  Int value{};
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&value, at, sizeof value);
  } else {
    for (std::size_t i = sizeof value; i-- > 0;)
      value = static_cast<Int>((value << 8) | std::to_integer<Int>(at[i]));
  }
  return value;
}

/// Writes sizeof(Int) bytes at `at`; any alignment.
template <std::unsigned_integral Int>
void store_little(std::byte* at, Int value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    at[i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
}

}  // namespace lamina

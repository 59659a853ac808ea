#include "protocol/crc32c.hpp"

#include <array>
#include <cstring>

#include "protocol/little_endian.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;

using slices = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b]: what byte b contributes when k more bytes follow it in the
// same 8-byte step ("slicing by eight", Kounavis and Berry 2005).
constexpr slices make_tables() {
  slices tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) ? polynomial : 0);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k)
    for (std::size_t b = 0; b < 256; ++b)
      tables[k][b] =
          (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
  return tables;
}

constexpr slices tables = make_tables();

std::uint32_t update_by_tables(std::uint32_t crc, const std::byte* at,
                               std::size_t size) {
  for (; size >= 8; size -= 8, at += 8) {
    const std::uint64_t word = load_little<std::uint64_t>(at) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k)
      crc ^= tables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; size > 0; --size, ++at)
    crc = (crc >> 8) ^ tables[0][(crc ^ std::to_integer<unsigned>(*at)) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t update_by_processor(
    std::uint32_t crc, const std::byte* at, std::size_t size) {
  std::uint64_t wide = crc;
  for (; size >= 8; size -= 8, at += 8)
    wide = __builtin_ia32_crc32di(wide, load_little<std::uint64_t>(at));
  crc = static_cast<std::uint32_t>(wide);
  for (; size > 0; --size, ++at)
    crc = __builtin_ia32_crc32qi(crc, std::to_integer<std::uint8_t>(*at));
  return crc;
}

std::uint32_t update(std::uint32_t crc, const std::byte* at, std::size_t size) {
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  return has_instruction ? update_by_processor(crc, at, size)
                         : update_by_tables(crc, at, size);
}
#else
std::uint32_t update(std::uint32_t crc, const std::byte* at, std::size_t size) {
  return update_by_tables(crc, at, size);
}
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
  return ~update(~before, bytes.data(), bytes.size());
}

std::uint32_t crc32c_portable(std::span<const std::byte> bytes,
                              std::uint32_t before) {
  return ~update_by_tables(~before, bytes.data(), bytes.size());
}

}  // namespace lamina

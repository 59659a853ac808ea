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
// The instruction takes three cycles and can begin anew in each, so three lanes
// of bytes go side by side. What lies between a lane and the end counts like
// zeros: appending them is linear in the register, a table for each byte of it.
constexpr std::size_t lane_bytes = 1024;
constexpr std::size_t lane_words = lane_bytes / 8;

using zeros_table = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr std::uint32_t append_word(std::uint32_t crc) {
  std::uint32_t next = 0;
  for (std::size_t k = 0; k < 4; ++k)
    next ^= tables[7 - k][(crc >> (8 * k)) & 0xff];
  return next;
}

constexpr zeros_table make_zeros(std::size_t words) {
  std::uint32_t of_bit[32]{};
  for (unsigned bit = 0; bit < 32; ++bit) {
    of_bit[bit] = std::uint32_t{1} << bit;
    for (std::size_t i = 0; i < words; ++i)
      of_bit[bit] = append_word(of_bit[bit]);
  }
  zeros_table table{};
  for (unsigned k = 0; k < 4; ++k)
    for (unsigned b = 0; b < 256; ++b)
      for (unsigned bit = 0; bit < 8; ++bit)
        if ((b >> bit & 1) != 0) table[k][b] ^= of_bit[8 * k + bit];
  return table;
}

constexpr zeros_table one_lane = make_zeros(lane_words);
constexpr zeros_table two_lanes = make_zeros(2 * lane_words);

std::uint32_t append_zeros(const zeros_table& table, std::uint64_t crc) {
  return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^
         table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24 & 0xff];
}

__attribute__((target("sse4.2"))) std::uint32_t update_by_processor(
    std::uint32_t crc, const std::byte* at, std::size_t size) {
  std::uint64_t wide = crc;
  for (; size >= 3 * lane_bytes; size -= 3 * lane_bytes, at += 3 * lane_bytes) {
    std::uint64_t second = 0, third = 0;
    for (std::size_t i = 0; i < lane_bytes; i += 8) {
      wide = __builtin_ia32_crc32di(wide, load_little<std::uint64_t>(at + i));
      second = __builtin_ia32_crc32di(
          second, load_little<std::uint64_t>(at + lane_bytes + i));
      third = __builtin_ia32_crc32di(
          third, load_little<std::uint64_t>(at + 2 * lane_bytes + i));
    }
    wide =
        append_zeros(two_lanes, wide) ^ append_zeros(one_lane, second) ^ third;
  }
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

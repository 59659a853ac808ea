// Stored values as a disk could return them. The input is a whole value; its
// checksum is put right, so that the decoder is reached and not only the check.
#include <algorithm>
#include <cstring>
#include <vector>

#include "actors/codec/codec.hpp"
#include "actors/codec/value_format.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace lamina {
namespace {

// Readers allocate by the conversation's shape, not by the header's.
constexpr std::size_t decoded_bytes_max = 1 << 20;

/// The key that the header names: another one is refused at once.
value_key key_in(std::span<const std::byte> value) {
  value_key key;
  std::memcpy(key.chunk.bytes.data(), value.data() + 16, 16);
  key.at = static_cast<site>(value[32]);
  key.first_layer = static_cast<std::uint16_t>(
      static_cast<unsigned>(value[34]) | static_cast<unsigned>(value[35]) << 8);
  return key;
}

void decode_all(const stored_header& header, std::span<const std::byte> bytes) {
  const std::size_t row = header.shape.row_bytes();
  const std::size_t all = row * header.rows * header.layers;
  if (all > decoded_bytes_max) return;
  const std::uint32_t first = header.key.first_layer;
  std::vector<std::byte> whole(all);
  const auto decoded = decode_part(
      header, bytes, {first, first + header.layers, 0, header.rows}, whole);
  if (decoded.has_error()) return fuzz::expect_clear(decoded.error());
  // A row by itself is the row in its chunk.
  std::vector<std::byte> one(row);
  const std::uint32_t layer = first + header.layers - 1;
  const auto last =
      decode_rows(header, bytes, layer, header.rows - 1, header.rows, one);
  fuzz::expect(last.has_value(), "a row of a sound value decodes");
  fuzz::expect(std::equal(one.begin(), one.end(),
                          whole.end() - static_cast<std::ptrdiff_t>(row)),
               "a row decodes as in its chunk");
}

void run(std::span<const std::byte> input) {
  const auto raw = check({}, input);
  if (raw.has_error()) fuzz::expect_clear(raw.error());
  if (input.size() < value_header_bytes) return;
  std::vector<std::byte> value(input.begin(), input.end());
  const value_key key = key_in(value);
  seal_value(key, value);
  const auto header = check(key, value);
  if (header.has_error()) return fuzz::expect_clear(header.error());
  decode_all(header.value(), value);
}

}  // namespace
}  // namespace lamina

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  lamina::run(lamina::fuzz::bytes_of(first, size));
  return 0;
}

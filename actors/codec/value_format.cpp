#include "actors/codec/value_format.hpp"

#include <xxhash.h>

#include <cmath>
#include <cstring>

#include "actors/chunks/little_endian.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t magic = 0x4c41564c;  // "LVAL"
constexpr std::size_t checksum_at = 8;
constexpr std::size_t checked_from = 16;

error corrupt(std::string what) {
  return {error_code::corrupt, "stored value: " + std::move(what)};
}

std::uint32_t offset_at(std::span<const std::byte> value, std::uint32_t index) {
  std::uint32_t offset;
  std::memcpy(&offset,
              value.data() + value_header_bytes + index * sizeof offset,
              sizeof offset);
  return offset;
}

bool known(codec_id codec) {
  return codec == codec_id::raw || codec == codec_id::lossless;
}

bool known(dtype element) {
  return to_string(element) != "unknown";
}
bool known(site s) {
  return to_string(s) != "unknown";
}

struct parsed {
  stored_header header;
  std::uint32_t reserved = 0;
};

// Reads the fields, which the caller has made sure are there.
parsed parse(std::span<const std::byte> bytes) {
  byte_reader in(bytes);
  parsed p;
  stored_header& h = p.header;
  in.get_bytes(6);
  h.codec = static_cast<codec_id>(in.get<std::uint8_t>());
  h.shape.element = static_cast<dtype>(in.get<std::uint8_t>());
  in.get_bytes(8);
  const auto name = in.get_bytes(h.key.chunk.bytes.size());
  std::memcpy(h.key.chunk.bytes.data(), name.data(), name.size());
  h.key.at = static_cast<site>(in.get<std::uint8_t>());
  h.rows = in.get<std::uint8_t>();
  h.key.first_layer = in.get<std::uint16_t>();
  h.layers = in.get<std::uint16_t>();
  p.reserved = in.get<std::uint16_t>();
  h.shape.layers = in.get<std::uint32_t>();
  h.shape.width = in.get<std::uint32_t>();
  h.relative_error = in.get<float>();
  p.reserved |= in.get<std::uint32_t>();
  return p;
}

// What makes no sense in a header whose checksum holds; null when all does.
const char* nonsense_in(const parsed& p) {
  const stored_header& h = p.header;
  if (!known(h.codec)) return "unknown codec";
  if (!known(h.shape.element)) return "unknown dtype";
  if (!known(h.key.at)) return "unknown site";
  if (h.rows < 1 || h.rows > chunk_positions) return "impossible row count";
  if (h.layers < 1 || h.shape.layers > value_layers_max ||
      (is_per_layer(h.key.at)
           ? std::uint32_t{h.key.first_layer} + h.layers > h.shape.layers
           : h.key.first_layer != 0 || h.layers != 1))
    return "impossible layers";
  if (h.shape.width < 1 || h.shape.width > value_width_max)
    return "impossible width";
  if (!std::isfinite(h.relative_error) || h.relative_error < 0)
    return "impossible relative error";
  return p.reserved != 0 ? "reserved bytes are not zero" : nullptr;
}

const char* nonsense_in_offsets(const stored_header& h,
                                std::span<const std::byte> bytes) {
  const std::size_t begin = blocks_begin(h.layers);
  if (bytes.size() < begin) return "shorter than its offset table";
  if (offset_at(bytes, 0) != begin) return "first block is misplaced";
  for (std::uint32_t i = 0; i < h.layers; ++i)
    if (offset_at(bytes, i) > offset_at(bytes, i + 1))
      return "offsets go backwards";
  return offset_at(bytes, h.layers) != bytes.size()
             ? "last block does not end with the value"
             : nullptr;
}

}  // namespace

std::vector<std::byte> begin_value(const stored_header& h) {
  byte_writer out(blocks_begin(h.layers));
  out.put(magic)
      .put(value_format_version)
      .put(static_cast<std::uint8_t>(h.codec))
      .put(static_cast<std::uint8_t>(h.shape.element))
      .put(std::uint64_t{0})
      .put_bytes(std::as_bytes(std::span(h.key.chunk.bytes)))
      .put(static_cast<std::uint8_t>(h.key.at))
      .put(static_cast<std::uint8_t>(h.rows))
      .put(h.key.first_layer)
      .put(static_cast<std::uint16_t>(h.layers))
      .put(std::uint16_t{0})
      .put(h.shape.layers)
      .put(h.shape.width)
      .put(h.relative_error)
      .put(std::uint32_t{0});
  auto bytes = out.finish();
  bytes.resize(blocks_begin(h.layers));
  return bytes;
}

void set_offset(std::span<std::byte> value, std::uint32_t index,
                std::size_t offset) {
  const auto number = static_cast<std::uint32_t>(offset);
  std::memcpy(value.data() + value_header_bytes + index * sizeof number,
              &number, sizeof number);
}

std::uint64_t value_checksum(const value_key& key,
                             std::span<const std::byte> value) {
  byte_writer bound(27);
  bound.put_bytes(std::as_bytes(std::span(key.chunk.bytes)))
      .put(static_cast<std::uint8_t>(key.at))
      .put(key.first_layer)
      .put_bytes(value.first(checksum_at));
  const auto seed_bytes = bound.finish();
  const auto body = value.subspan(checked_from);
  return XXH3_64bits_withSeed(
      body.data(), body.size(),
      XXH3_64bits(seed_bytes.data(), seed_bytes.size()));
}

void seal_value(const value_key& key, std::span<std::byte> value) {
  const std::uint64_t sum = value_checksum(key, value);
  std::memcpy(value.data() + checksum_at, &sum, sizeof sum);
}

result<std::span<const std::byte>> block_of(const stored_header& header,
                                            std::span<const std::byte> value,
                                            std::uint32_t index) {
  if (value.size() < blocks_begin(header.layers))
    return corrupt("shorter than its offset table");
  const std::uint32_t begin = offset_at(value, index);
  const std::uint32_t end = offset_at(value, index + 1);
  if (begin < blocks_begin(header.layers) || begin > end || end > value.size())
    return corrupt("a block lies outside the value");
  return value.subspan(begin, end - begin);
}

result<stored_header> check(const value_key& key,
                            std::span<const std::byte> bytes) {
  if (bytes.size() < value_header_bytes)
    return corrupt("shorter than its header");
  byte_reader in(bytes);
  if (in.get<std::uint32_t>() != magic) return corrupt("wrong magic number");
  const auto version = in.get<std::uint16_t>();
  in.get_bytes(2);
  // The checksum's seed is the key that was asked for: a whole value under a
  // wrong key fails here, and its own header says whose it is.
  if (in.get<std::uint64_t>() != value_checksum(key, bytes)) {
    const value_key found = parse(bytes).header.key;
    if (found != key && known(found.at))
      return corrupt("is of chunk " + to_string(found.chunk) + ", " +
                     std::string(to_string(found.at)) + ", layer " +
                     std::to_string(found.first_layer));
    return corrupt("checksum of chunk " + to_string(key.chunk) +
                   " does not match");
  }
  if (version > value_format_version)
    return error{error_code::unsupported_version,
                 "stored value: format version " + std::to_string(version) +
                     " is newer than this build's " +
                     std::to_string(value_format_version)};
  if (version == 0) return corrupt("format version 0");
  const parsed p = parse(bytes);
  if (p.header.key != key) return corrupt("its header names another key");
  if (const char* what = nonsense_in(p)) return corrupt(what);
  if (const char* what = nonsense_in_offsets(p.header, bytes))
    return corrupt(what);
  return p.header;
}

}  // namespace lamina

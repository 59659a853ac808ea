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
constexpr std::size_t errors_at = 48;

error corrupt(std::string what) {
  return {error_code::corrupt, "stored value: " + std::move(what)};
}

std::uint32_t offset_at(std::span<const std::byte> table, std::uint32_t index) {
  std::uint32_t offset;
  std::memcpy(&offset, table.data() + index * sizeof offset, sizeof offset);
  return offset;
}

// Part `index` of `whole`, whose parts follow a table of count + 1 offsets that
// begins at `table_at`.
result<std::span<const std::byte>> part_of(std::span<const std::byte> whole,
                                           std::size_t table_at,
                                           std::uint32_t count,
                                           std::uint32_t index,
                                           const char* name) {
  const std::size_t parts_at =
      table_at + (std::size_t{count} + 1) * sizeof(std::uint32_t);
  if (whole.size() < parts_at)
    return corrupt(std::string(name) + ": shorter than the offset table");
  const auto table = whole.subspan(table_at);
  const std::uint32_t begin = offset_at(table, index);
  const std::uint32_t end = offset_at(table, index + 1);
  if (begin < parts_at || begin > end || end > whole.size())
    return corrupt(std::string(name) + " lies outside");
  return whole.subspan(begin, end - begin);
}

bool known(quality q) {
  return to_string(q) != "unknown";
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
  h.kept = static_cast<quality>(in.get<std::uint8_t>());
  h.shape.element = static_cast<dtype>(in.get<std::uint8_t>());
  in.get_bytes(8);
  const auto name = in.get_bytes(h.key.chunk.bytes.size());
  std::memcpy(h.key.chunk.bytes.data(), name.data(), name.size());
  h.key.at = static_cast<site>(in.get<std::uint8_t>());
  h.rows = in.get<std::uint8_t>();
  h.key.first_layer = in.get<std::uint16_t>();
  h.layers = in.get<std::uint16_t>();
  h.key_interval = in.get<std::uint8_t>();
  p.reserved = in.get<std::uint8_t>();
  h.shape.layers = in.get<std::uint32_t>();
  h.shape.width = in.get<std::uint32_t>();
  h.errors.row = in.get<float>();
  h.errors.ordinary = in.get<float>();
  h.errors.largest = in.get<float>();
  p.reserved |= in.get<std::uint32_t>();
  h.book = in.get<std::uint64_t>();
  return p;
}

bool possible(float error) {
  return std::isfinite(error) && error >= 0;
}

// What makes no sense in a header whose checksum holds; null when all does.
const char* nonsense_in(const parsed& p) {
  const stored_header& h = p.header;
  if (!known(h.kept)) return "unknown quality";
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
  if (h.key_interval < 1 || h.key_interval > value_key_interval_max ||
      h.key.first_layer % h.key_interval != 0)
    return "impossible key interval";
  if (!possible(h.errors.row) || !possible(h.errors.ordinary) ||
      !possible(h.errors.largest))
    return "impossible error";
  if (h.book != 0 && !is_lossy(h.kept)) return "exact, but with a code book";
  return p.reserved != 0 ? "reserved bytes are not zero" : nullptr;
}

const char* nonsense_in_offsets(const stored_header& h,
                                std::span<const std::byte> bytes) {
  const std::uint32_t groups = groups_of(h);
  const std::size_t begin = groups_begin(groups);
  if (bytes.size() < begin) return "shorter than its offset table";
  const auto table = bytes.subspan(value_header_bytes);
  if (offset_at(table, 0) != begin) return "first key group is misplaced";
  for (std::uint32_t i = 0; i < groups; ++i)
    if (offset_at(table, i) > offset_at(table, i + 1))
      return "offsets go backwards";
  return offset_at(table, groups) != bytes.size()
             ? "last key group does not end with the value"
             : nullptr;
}

}  // namespace

void begin_value(const stored_header& h, std::vector<std::byte>& value) {
  byte_writer out(groups_begin(groups_of(h)));
  out.put(magic)
      .put(value_format_version)
      .put(static_cast<std::uint8_t>(h.kept))
      .put(static_cast<std::uint8_t>(h.shape.element))
      .put(std::uint64_t{0})
      .put_bytes(std::as_bytes(std::span(h.key.chunk.bytes)))
      .put(static_cast<std::uint8_t>(h.key.at))
      .put(static_cast<std::uint8_t>(h.rows))
      .put(h.key.first_layer)
      .put(static_cast<std::uint16_t>(h.layers))
      .put(static_cast<std::uint8_t>(h.key_interval))
      .put(std::uint8_t{0})
      .put(h.shape.layers)
      .put(h.shape.width);
  const auto bytes = out.finish();
  value.assign(bytes.begin(), bytes.end());
  value.resize(groups_begin(groups_of(h)));
  std::memcpy(value.data() + value_book_offset, &h.book, sizeof h.book);
}

void set_errors(std::span<std::byte> value, const row_errors& errors) {
  const float fields[] = {errors.row, errors.ordinary, errors.largest};
  std::memcpy(value.data() + errors_at, fields, sizeof fields);
}

float worst_error_of(std::span<const std::byte> bytes) {
  float row;
  std::memcpy(&row, bytes.data() + errors_at, sizeof row);
  return row;
}

void set_offset(std::span<std::byte> table, std::uint32_t index,
                std::size_t offset) {
  const auto number = static_cast<std::uint32_t>(offset);
  std::memcpy(table.data() + index * sizeof number, &number, sizeof number);
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

result<std::span<const std::byte>> group_of(const stored_header& header,
                                            std::span<const std::byte> value,
                                            std::uint32_t index) {
  return part_of(value, value_header_bytes, groups_of(header), index,
                 "a key group");
}

result<std::span<const std::byte>> row_of(const stored_header& header,
                                          std::span<const std::byte> group,
                                          std::uint32_t row) {
  return part_of(group, 0, header.rows, row, "a row");
}

result<stored_header> check(const value_key& key,
                            std::span<const std::byte> bytes) {
  if (bytes.size() < value_header_bytes)
    return corrupt("shorter than its header");
  byte_reader in(bytes);
  if (in.get<std::uint32_t>() != magic) return corrupt("wrong magic number");
  in.get_bytes(4);
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
  return read_header(key, bytes);
}

result<stored_header> read_header(const value_key& key,
                                  std::span<const std::byte> bytes) {
  if (bytes.size() < value_header_bytes)
    return corrupt("shorter than its header");
  byte_reader in(bytes);
  if (in.get<std::uint32_t>() != magic) return corrupt("wrong magic number");
  const auto version = in.get<std::uint16_t>();
  if (version > value_format_version)
    return error{error_code::unsupported_version,
                 "stored value: format version " + std::to_string(version) +
                     " is newer than this build's " +
                     std::to_string(value_format_version)};
  if (version == 0) return corrupt("format version 0");
  if (version < value_format_version)
    return error{error_code::unsupported_version,
                 "stored value: format version " + std::to_string(version) +
                     " is older than this build's " +
                     std::to_string(value_format_version) +
                     ", which cannot read it"};
  const parsed p = parse(bytes);
  if (p.header.key != key) return corrupt("its header names another key");
  if (const char* what = nonsense_in(p)) return corrupt(what);
  if (const char* what = nonsense_in_offsets(p.header, bytes))
    return corrupt(what);
  return p.header;
}

result<stored_header> peek(const value_key& key,
                           std::span<const std::byte> head) {
  static_assert(stored_head_bytes == value_header_bytes);
  if (head.size() < value_header_bytes)
    return corrupt("shorter than its header");
  byte_reader in(head);
  if (in.get<std::uint32_t>() != magic) return corrupt("wrong magic number");
  if (in.get<std::uint16_t>() != value_format_version)
    return corrupt("another format version");
  const parsed p = parse(head);
  if (p.header.key != key) return corrupt("its header names another key");
  if (const char* what = nonsense_in(p)) return corrupt(what);
  return p.header;
}

}  // namespace lamina

#include "actors/store/stored_records.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "actors/store/sealed.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t rows_mask = 0xff;

std::uint64_t big_endian(byte_view bytes) {
  std::uint64_t number = 0;
  for (const std::byte b : bytes)
    number = number << 8 | static_cast<std::uint64_t>(b);
  return number;
}

}  // namespace

result<conversation_record> open_conversation(byte_view key, byte_view record) {
  const auto where = [key] {
    return "conversation " + std::to_string(big_endian(key));
  };
  const auto body = unseal(key, record);
  if (body.has_error()) return within(where(), body.error());
  auto decoded = decode_conversation(body.value());
  if (decoded.has_error()) return within(where(), decoded.error());
  return decoded;
}

result<chunk_record> open_chunk(byte_view key, byte_view record) {
  const auto where = [key] {
    // A damaged page may also have a key that is too short.
    const byte_view id = key.first(std::min<std::size_t>(key.size(), 8));
    return "conversation " + std::to_string(big_endian(id)) + ", chunk " +
           std::to_string(big_endian(key.subspan(id.size())));
  };
  const auto body = unseal(key, record);
  if (body.has_error()) return within(where(), body.error());
  auto decoded = decode_chunk_record(body.value());
  if (decoded.has_error()) return within(where(), decoded.error());
  return decoded;
}

result<lens_block> open_lens(const digest& name, byte_view record) {
  const auto key = key_of(name);
  const auto body = unseal(key, record);
  if (body.has_error())
    return within("lens of chunk " + to_string(name), body.error());
  auto decoded = decode_lens_block(body.value());
  if (decoded.has_error())
    return within("lens of chunk " + to_string(name), decoded.error());
  return decoded;
}

std::uint32_t pack(const value_summary& s) {
  return (std::bit_cast<std::uint32_t>(s.relative_error) & ~rows_mask) |
         (s.rows & rows_mask);
}

value_summary summary_of(byte_view value_record) {
  std::uint32_t packed = 0;
  if (value_record.size() >= sizeof packed)
    std::memcpy(&packed, value_record.data(), sizeof packed);
  return {packed & rows_mask, std::bit_cast<float>(packed & ~rows_mask)};
}

byte_view stored_bytes_of(byte_view value_record) {
  return value_record.size() < value_prefix_bytes
             ? byte_view()
             : value_record.subspan(value_prefix_bytes);
}

}  // namespace lamina

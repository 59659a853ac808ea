// Keys of the named databases. Numbers in keys are big-endian, so that LMDB's
// byte order is their order: a conversation's chunks follow one another, and
// so do a chunk's values. Pure; any thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "actors/chunks/stored_value.hpp"
#include "actors/store/records.hpp"

namespace lamina {

template <std::size_t Bytes>
using database_key = std::array<std::byte, Bytes>;

template <class Number, std::size_t Bytes>
void put_big_endian(database_key<Bytes>& key, std::size_t at, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i)
    key[at + i] =
        static_cast<std::byte>(number >> (8 * (sizeof number - 1 - i)));
}

inline database_key<8> key_of(conversation_id id) {
  database_key<8> key;
  put_big_endian(key, 0, id);
  return key;
}

inline database_key<12> key_of(conversation_id id, std::uint32_t index) {
  database_key<12> key;
  put_big_endian(key, 0, id);
  put_big_endian(key, 8, index);
  return key;
}

inline database_key<16> key_of(const digest& name) {
  return std::bit_cast<database_key<16>>(name.bytes);
}

inline database_key<19> key_of(const value_key& value) {
  database_key<19> key;
  std::memcpy(key.data(), value.chunk.bytes.data(), 16);
  key[16] = static_cast<std::byte>(value.at);
  put_big_endian(key, 17, value.first_layer);
  return key;
}

/// Which chunk of which conversation refers to a name.
struct referrer {
  conversation_id conversation = 0;
  std::uint32_t index = 0;

  friend auto operator<=>(const referrer&, const referrer&) = default;
};

inline database_key<28> key_of(const digest& name, const referrer& r) {
  database_key<28> key;
  std::memcpy(key.data(), name.bytes.data(), 16);
  put_big_endian(key, 16, r.conversation);
  put_big_endian(key, 24, r.index);
  return key;
}

/// When a conversation was last used, for the order of eviction; times before
/// 1970 count as 1970.
struct access_entry {
  std::int64_t at_unix_ms = 0;
  conversation_id id = 0;

  friend auto operator<=>(const access_entry&, const access_entry&) = default;
};

inline database_key<16> key_of(const access_entry& a) {
  database_key<16> key;
  put_big_endian(
      key, 0,
      static_cast<std::uint64_t>(std::max<std::int64_t>(a.at_unix_ms, 0)));
  put_big_endian(key, 8, a.id);
  return key;
}

/// The number at `at`; of a key that is too short, as a damaged page may have
/// it, what is there.
template <class Number>
Number big_endian_at(std::span<const std::byte> key, std::size_t at) {
  Number number = 0;
  for (std::size_t i = at; i < std::min(at + sizeof number, key.size()); ++i)
    number = static_cast<Number>(number << 8 | static_cast<Number>(key[i]));
  return number;
}

inline access_entry access_of(std::span<const std::byte> key) {
  return {static_cast<std::int64_t>(big_endian_at<std::uint64_t>(key, 0)),
          big_endian_at<conversation_id>(key, 8)};
}

/// The name that a key of `values`, `lens`, `names`, `referrers` or
/// `tombstones` begins with.
inline digest name_at(std::span<const std::byte> key) {
  digest name;
  std::memcpy(name.bytes.data(), key.data(),
              std::min(key.size(), name.bytes.size()));
  return name;
}

/// What a key of `values`, which is long enough, is of.
inline value_key value_key_at(std::span<const std::byte> key) {
  return {name_at(key), static_cast<site>(key[16]),
          big_endian_at<std::uint16_t>(key, 17)};
}

inline bool starts_with(std::span<const std::byte> key,
                        std::span<const std::byte> prefix) {
  return key.size() >= prefix.size() &&
         std::ranges::equal(key.first(prefix.size()), prefix);
}

inline std::span<const std::byte> key_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace lamina

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

inline bool starts_with(std::span<const std::byte> key,
                        std::span<const std::byte> prefix) {
  return key.size() >= prefix.size() &&
         std::ranges::equal(key.first(prefix.size()), prefix);
}

inline std::span<const std::byte> key_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace lamina

// How an LMDB 0.9 file is laid out (data version 1), as far as a walk over its
// pages needs it. Plain bytes in; nothing here follows anything. Used by
// page_check.cpp alone; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace lamina::page_layout {

using bytes = std::vector<std::byte>;
using byte_view = std::span<const std::byte>;

// Every page but a large record's later ones begins with u64 number, u16, u16
// flags, u16 lower, u16 upper; node offsets follow, and nodes fill the page
// from its end.
inline constexpr std::size_t header_bytes = 16;
inline constexpr std::size_t node_header_bytes = 8;
inline constexpr std::size_t meta_bytes = 136;
inline constexpr std::uint32_t meta_magic = 0xbeefc0de;
inline constexpr std::uint64_t no_page = ~std::uint64_t{0};
inline constexpr std::uint16_t branch_page = 0x01, leaf_page = 0x02,
                               large_page = 0x04, meta_page = 0x08;
inline constexpr std::uint16_t kind_bits = 0x2f;
inline constexpr std::uint16_t depth_max = 32;  // LMDB's own limit
inline constexpr std::uint16_t node_large = 0x01, node_tree = 0x02;
inline constexpr std::uint16_t integer_keys = 0x08;

template <class Number>
Number number_at(byte_view from, std::size_t at) {
  Number n{};
  std::memcpy(&n, from.data() + at, sizeof n);
  return n;
}

/// The record of a database: where its tree begins, and how much it holds.
struct tree {
  std::string name;
  std::uint16_t flags = 0, depth = 0;
  std::uint64_t branch = 0, leaf = 0, overflow = 0, entries = 0;
  std::uint64_t root = no_page;
};
inline constexpr std::size_t tree_bytes = 48;
tree tree_at(byte_view from, std::size_t at, std::string name);

/// What a commit leaves on a meta page.
struct meta {
  std::uint32_t page_bytes = 0;
  std::uint64_t last_page = 0, transaction = 0;
  tree free_list, main;
};

error damage(std::string what);

/// A file that is read with pread; closed when it goes.
class open_file {
 public:
  explicit open_file(const std::filesystem::path& path);
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  ~open_file();
  bool ok() const { return descriptor_ >= 0; }
  std::uint64_t size() const;
  /// Corrupt when the file ends before `count` bytes.
  result<bytes> read(std::uint64_t at, std::size_t count) const;

 private:
  int descriptor_;
};

/// The later of the two commits that the file remembers.
result<meta> read_meta(const open_file& file);

}  // namespace lamina::page_layout

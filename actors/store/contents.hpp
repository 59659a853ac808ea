// What lies under a chunk's name, as the ledger and the accounts need it: all
// about the values but their content. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/chunks/stored_value.hpp"
#include "actors/store/reports.hpp"

namespace lamina {

/// A stored value without what is in it.
struct value_head {
  value_key key;
  std::uint32_t rows = 0;
  std::uint64_t stored_bytes = 0;
  std::vector<std::byte> first_bytes;  // of the value, for the codec's `peek`
};

struct chunk_contents {
  digest name;
  std::uint32_t references = 0;  // 0: nobody has this chunk any more
  std::uint32_t evicted = 0;     // bit s: values of site s were let go of
  held_bytes held;
  std::vector<value_head> values;  // by site, then by layer

  bool was_evicted(site s) const {
    return (evicted >> static_cast<std::uint8_t>(s) & 1u) != 0;
  }
  const value_head* find(const value_key& key) const {
    for (const auto& value : values)
      if (value.key == key) return &value;
    return nullptr;
  }
};

}  // namespace lamina

#include "actors/chunks/stored_value.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace lamina {

std::uint32_t layers_per_value(const capture_shape& shape) {
  const std::size_t group_bytes =
      std::size_t{key_interval} * chunk_positions * shape.row_bytes();
  const std::size_t groups = std::max<std::size_t>(
      1, stored_value_raw_bytes_max / std::max<std::size_t>(1, group_bytes));
  const std::size_t layers = std::max<std::uint32_t>(1, shape.layers);
  return static_cast<std::uint32_t>(std::min(groups * key_interval, layers));
}

std::vector<value_key> value_keys(const digest& chunk, site s,
                                  const capture_shape& shape) {
  if (!is_per_layer(s)) return {value_key{chunk, s, 0}};
  std::vector<value_key> keys;
  for (std::uint32_t layer = 0; layer < shape.layers;
       layer += layers_per_value(shape))
    keys.push_back(value_key{chunk, s, static_cast<std::uint16_t>(layer)});
  return keys;
}

std::uint64_t book_named_by(std::span<const std::byte> bytes) {
  constexpr std::array<unsigned char, 6> begins = {'L', 'V', 'A', 'L', 2, 0};
  std::uint64_t id = 0;
  if (bytes.size() >= value_book_offset + sizeof id &&
      std::memcmp(bytes.data(), begins.data(), begins.size()) == 0)
    std::memcpy(&id, bytes.data() + value_book_offset, sizeof id);
  return id;
}

}  // namespace lamina

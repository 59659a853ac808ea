#include "actors/codec/value_slots.hpp"

#include <algorithm>
#include <string>

namespace lamina {
namespace {

std::uint32_t slot_of_layer(const value_key& key, std::uint32_t index,
                            const capture_shape& shape) {
  return slot_of(key.at, key.first_layer + index, shape.layers);
}

}  // namespace

std::string name_of(const value_key& key) {
  return std::string(to_string(key.at)) + " of chunk " + to_string(key.chunk) +
         " from layer " + std::to_string(key.first_layer);
}

std::vector<std::span<const float>> means_of(
    const codebook* book, std::span<const std::uint32_t> slots) {
  std::vector<std::span<const float>> means;
  if (book != nullptr)
    for (const std::uint32_t slot : slots)
      means.push_back(book->mean(slot));
  return means;
}

std::vector<std::uint32_t> slots_of_group(const stored_header& header,
                                          std::uint32_t group) {
  std::vector<std::uint32_t> slots;
  const std::uint32_t first = group * header.key_interval;
  for (std::uint32_t i = first;
       i < std::min(first + header.key_interval, header.layers); ++i)
    slots.push_back(slot_of_layer(header.key, i, header.shape));
  return slots;
}

result<const codebook*> book_for(const stored_header& header,
                                 const codebook* book) {
  if (header.book == 0) return nullptr;
  if (book == nullptr || book->id() != header.book ||
      book->shape() != header.shape)
    return fail(error_code::corrupt,
                name_of(header.key) + " needs the code book " +
                    std::to_string(header.book) + ", which is not here");
  return book;
}

}  // namespace lamina

// Which slots the parts of a stored value hold, and what decoding them needs of
// a code book. Inside the codec only; pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "actors/codec/codec.hpp"

namespace lamina {

/// For errors: site, chunk and first layer.
std::string name_of(const value_key& key);

/// The slots of a key group of a value.
std::vector<std::uint32_t> slots_of_group(const stored_header& header,
                                          std::uint32_t group);

/// The mean rows of slots; none without a book.
std::vector<std::span<const float>> means_of(
    const codebook* book, std::span<const std::uint32_t> slots);

/// The book that a value needs, null if it needs none; corrupt, with the
/// reason, when that is not `book`.
result<const codebook*> book_for(const stored_header& header,
                                 const codebook* book);

}  // namespace lamina

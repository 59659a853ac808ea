// Sealed records: bytes behind a checksum that knows their key, so that a
// damaged record, or a whole one in the wrong place, is told from a good one.
//
//   u64  XXH3-64 of the body, seeded with the XXH3-64 of the key in the
//        database
//   u8[] body
//
// Conversations, chunks and lens records are sealed. Stored values bring a
// checksum of their own (actors/codec). Pure; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "protocol/error.hpp"

namespace lamina {

std::vector<std::byte> seal(std::span<const std::byte> key,
                            std::span<const std::byte> body);

/// The body, inside `record`; corrupt when the checksum does not match.
result<std::span<const std::byte>> unseal(std::span<const std::byte> key,
                                          std::span<const std::byte> record);

}  // namespace lamina

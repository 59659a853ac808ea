// Reads everything that a store says it has, as a daemon would need it.
#pragma once

#include <cstdint>

#include "actors/store/store.hpp"

namespace lamina {

struct verified {
  std::uint64_t conversations = 0;
  std::uint64_t chunks = 0;
  std::uint64_t values = 0;  // checked and decoded
  std::uint64_t lens_blocks = 0;
  std::uint64_t evicted = 0;  // chunks whose activations are gone, as recorded
};

/// Every chunk that the ledger calls present has all its values, each with a
/// sound checksum, decodes, and holds the chunk's rows; lens blocks likewise.
/// No record needs repair, and the file's accounts add up to the byte.
/// Otherwise `corrupt`, with the first thing that is not so.
result<verified> verify_store(store& s);

}  // namespace lamina

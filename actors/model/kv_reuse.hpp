// What a new sequence need not compute: the positions whose keys and values
// its conversation's idle cache still has, or another conversation of the same
// owner. Engine's thread.
#pragma once

#include <cstdint>
#include <memory>

#include "actors/model/engine.hpp"
#include "actors/model/kv_cache.hpp"
#include "actors/model/kv_store.hpp"
#include "actors/model/sequence.hpp"

namespace lamina {

/// A cache of the longest beginning of the request's tokens that is known and
/// of use; an empty one in `memory` else. Rows that the request wants, and the
/// one before them, which rates the first of them, are never among it, and at
/// least one token is left to forward.
kv_cache reuse_cache(const sequence_request& request, kv_store& idle,
                     const sequences& running, const kv_shape& shape,
                     const std::shared_ptr<kv_memory>& memory);

/// The first chunk whose rows, and the one before them, will be computed when
/// `cached` positions are not.
position_t first_captured(const sequence_request& request,
                          std::uint32_t cached);

}  // namespace lamina

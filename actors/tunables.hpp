// The part of the configuration that may change while the daemon runs. It
// travels in the view: who follows views takes its share of a new one at once.
#pragma once

#include <chrono>
#include <cstdint>

#include "actors/cache/retention.hpp"
#include "actors/chunks/chunk_key.hpp"

namespace lamina {

/// Of one owner. 0: no limit.
struct owner_quota {
  std::uint64_t conversations_max = 0;
  std::uint64_t tokens_max = 0;  // of all their conversations
  std::uint32_t turns_max = 0;   // being written at once
};

struct tunables {
  std::uint64_t memory_bytes_max = std::uint64_t{1} << 30;  // of all shards
  std::chrono::milliseconds memory_ttl = std::chrono::hours(1);  // 0: none
  retention_limits retention;
  bool prefetch_enabled = true;
  position_t prefetch_range = 5;   // to either side
  bool restore_recomputed = true;  // store again what had to be computed
  bool recompute_on_read = false;  // a new turn leaves what is missing so
  std::chrono::milliseconds abandon_after{10'000};  // a turn without viewers
  owner_quota quota;
};

}  // namespace lamina

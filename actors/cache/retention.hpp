// What is kept on disk and for how long: the policy, as pure decisions. The
// disk actor asks it about once a minute, and again while a slice says that
// there is more; the store carries it out (actors/store/eviction.hpp).
//
// Activations (stored values) are large and can be computed again, so they
// have a budget and a time to live. Tokens and lens records cannot or need the
// model: they go only under limits of their own, and by default never.
#pragma once

#include <cstdint>
#include <optional>

#include "actors/store/eviction.hpp"

namespace lamina {

/// 0: no such limit.
struct retention_limits {
  std::uint64_t disk_bytes_max = std::uint64_t{10} << 30;  // activations go
  std::int64_t values_ttl_ms = std::int64_t{7} * 24 * 3600 * 1000;
  std::uint64_t records_bytes_max = 0;  // tokens and lens records go
  std::int64_t records_ttl_ms = 0;
  std::uint64_t slice_bytes_max = 64u << 20;  // freed in one transaction
};

/// The limits as they can be meant: the second limit is at least the first,
/// and records outlive activations.
retention_limits sensible(retention_limits limits);

/// What to ask of the store now, or nothing when no limit can be exceeded.
/// `used_bytes`: of all pages in use (file_accounts::used_bytes). `now_unix_ms`
/// may lie before any access time: the store then counts those as used now, so
/// that a clock which went back neither empties the store nor keeps anything
/// for ever. `ages_at_unix_ms` is the time that ages are judged by (age_clock);
/// nothing: nothing goes by age.
///
/// Over the budget, a twentieth more than the excess goes, so that eviction
/// does not run at every commit of a full store.
std::optional<eviction_request> plan_eviction(
    const retention_limits& limits, std::uint64_t used_bytes,
    std::int64_t now_unix_ms, std::optional<std::int64_t> ages_at_unix_ms);

/// Nothing is left that may go, and the budget is exceeded all the same:
/// generation goes on without raw capture (`cache_full`).
bool is_cache_full(const retention_limits& limits,
                   const eviction_report& report);

}  // namespace lamina

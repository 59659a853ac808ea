#include "actors/cache/retention.hpp"

#include <algorithm>
#include <utility>

namespace lamina {
namespace {

eviction_limits limits_of(std::uint64_t bytes_max, std::int64_t ttl_ms,
                          std::uint64_t used_bytes,
                          std::optional<std::int64_t> ages_at_unix_ms) {
  eviction_limits l;
  if (bytes_max != 0 && used_bytes > bytes_max)
    l.used_bytes_max = bytes_max - bytes_max / 20;
  // A clock near 0 has not been set: nothing is older than it.
  if (ttl_ms != 0 && ages_at_unix_ms && *ages_at_unix_ms > ttl_ms)
    l.unused_since_unix_ms = *ages_at_unix_ms - ttl_ms;
  return l;
}

}  // namespace

retention_limits sensible(retention_limits limits) {
  if (limits.records_bytes_max != 0)
    limits.records_bytes_max =
        std::max(limits.records_bytes_max, limits.disk_bytes_max);
  if (limits.records_ttl_ms != 0)
    limits.records_ttl_ms =
        std::max(limits.records_ttl_ms, limits.values_ttl_ms);
  return limits;
}

std::optional<eviction_request> plan_eviction(
    const retention_limits& given, std::uint64_t used_bytes,
    std::int64_t now_unix_ms, std::optional<std::int64_t> ages_at_unix_ms) {
  const retention_limits limits = sensible(given);
  const bool ages = limits.values_ttl_ms != 0 || limits.records_ttl_ms != 0;
  const bool too_much =
      (limits.disk_bytes_max != 0 && used_bytes > limits.disk_bytes_max) ||
      (limits.records_bytes_max != 0 && used_bytes > limits.records_bytes_max);
  if (!ages && !too_much) return std::nullopt;
  eviction_request request;
  request.values = limits_of(limits.disk_bytes_max, limits.values_ttl_ms,
                             used_bytes, ages_at_unix_ms);
  request.records = limits_of(limits.records_bytes_max, limits.records_ttl_ms,
                              used_bytes, ages_at_unix_ms);
  request.now_unix_ms = now_unix_ms;
  request.bytes_max = limits.slice_bytes_max;
  return request;
}

bool is_cache_full(const retention_limits& limits,
                   const eviction_report& report) {
  return limits.disk_bytes_max != 0 && report.cache_full &&
         report.used_bytes > limits.disk_bytes_max;
}

}  // namespace lamina

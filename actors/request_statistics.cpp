#include "actors/request_statistics.hpp"

#include <algorithm>
#include <numeric>

namespace lamina {

void latency_histogram::add(std::uint64_t us) {
  const auto bucket = std::ranges::lower_bound(latency_bounds_us, us);
  ++counts[static_cast<std::size_t>(bucket - latency_bounds_us.begin())];
  sum_us += us;
}

std::uint64_t latency_histogram::count() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

void request_statistics::add(wire::Body type, std::uint16_t failed,
                             std::uint64_t took_us) {
  latencies[std::string(name_of(type))].add(took_us);
  if (failed != 0)
    ++errors[std::string(to_string(static_cast<error_code>(failed)))];
}

}  // namespace lamina

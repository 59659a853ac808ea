// What requests came to: how many of each kind, how they ended, how long they
// took. Pure; owned by the recorder actor.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "protocol/error.hpp"
#include "protocol/message.hpp"

namespace lamina {

/// Upper ends of the histogram's buckets, in microseconds; the last one has
/// none. A click takes hundreds of these, a turn millions.
inline constexpr std::array<std::uint64_t, 16> latency_bounds_us{
    250,       500,        1'000,      2'500,      5'000,   10'000,
    25'000,    50'000,     100'000,    250'000,    500'000, 1'000'000,
    5'000'000, 15'000'000, 60'000'000, 300'000'000};

/// Times from a request's frame to its last one, in microseconds.
struct latency_histogram {
  std::array<std::uint64_t, latency_bounds_us.size() + 1> counts{};
  std::uint64_t sum_us = 0;

  void add(std::uint64_t us);
  std::uint64_t count() const;
};

struct request_statistics {
  std::map<std::string, latency_histogram> latencies;  // by message name
  std::map<std::string, std::uint64_t> errors;         // by code name

  /// `failed` 0: it did not fail.
  void add(wire::Body type, std::uint16_t failed, std::uint64_t took_us);
};

}  // namespace lamina

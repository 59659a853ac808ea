#include "client/cli/memory_read.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "client/cli/samples.hpp"

namespace lamina::cli {
namespace {

#if defined(__x86_64__)
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

typedef std::uint64_t wide __attribute__((vector_size(64)));  // a cache line
constexpr std::size_t streams = 4, burst = 4;
constexpr std::size_t block_lines = 1024;  // of a stream, then the next four
constexpr int passes = 7;

// Reads `streams` stretches of `length` lines, some lines of each in turn.
WIDEST std::uint64_t sum_streams(const wide* from, std::size_t length) {
  wide sum[burst] = {};
  for (std::size_t i = 0; i < length; i += burst)
    for (std::size_t s = 0; s < streams; ++s)
#pragma GCC unroll 4
      for (std::size_t l = 0; l < burst; ++l)
        sum[l] += from[s * length + i + l];
  const wide all = sum[0] + sum[1] + sum[2] + sum[3];
  return all[0] + all[7];
}

std::uint64_t sum_all(const wide* from, std::size_t lines) {
  std::uint64_t sum = 0;
  for (; lines >= streams * block_lines; lines -= streams * block_lines) {
    sum += sum_streams(from, block_lines);
    from += streams * block_lines;
  }
  return sum;
}

}  // namespace

double memory_read_rate(std::size_t bytes) {
  const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t share =
      std::max(bytes / threads / sizeof(wide), streams * block_lines);
  const std::vector<wide> memory(share * threads, wide{1, 1});
  std::vector<std::uint64_t> sums(threads);
  std::vector<double> rates;
  for (int pass = 0; pass < passes; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> team;
    for (std::size_t i = 0; i < threads; ++i)
      team.emplace_back(
          [&, i] { sums[i] = sum_all(memory.data() + i * share, share); });
    for (auto& thread : team)
      thread.join();
    const std::chrono::duration<double> took =
        std::chrono::steady_clock::now() - begin;
    const auto read = threads * (share - share % (streams * block_lines));
    rates.push_back(static_cast<double>(read * sizeof(wide)) / took.count());
  }
  return sums[0] == 0 ? 0 : bench::median(rates);
}

}  // namespace lamina::cli

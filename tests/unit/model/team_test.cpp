// The team that the kernels share: every unit exactly once, whoever does it.
#include "actors/model/kernels/team.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace lamina {
namespace {

TEST(Team, EveryUnitRunsOnce) {
  for (const int threads : {1, 2, 3, 7}) {
    const thread_limit limit(threads);
    for (const std::uint32_t units : {0u, 1u, 2u, 5u, 1000u}) {
      std::vector<std::atomic<int>> times(units);
      for_each_unit(units, true, [&](std::uint32_t unit) { ++times[unit]; });
      for (const auto& t : times)
        ASSERT_EQ(t, 1) << threads << " threads, " << units << " units";
    }
  }
}

TEST(Team, WhatTheUnitsWroteIsThereAfterwards) {
  const thread_limit limit(4);
  std::vector<std::uint64_t> written(64);
  std::uint64_t total = 0;
  for (std::uint64_t round = 1; round <= 2000; ++round) {
    for_each_unit(64, true,
                  [&](std::uint32_t unit) { written[unit] = round * unit; });
    total += std::accumulate(written.begin(), written.end(), std::uint64_t{0});
  }
  EXPECT_EQ(total, 2000u * 2001 / 2 * (63 * 64 / 2));
}

// Both units wait for each other, so one thread could not finish them.
TEST(Team, UnitsRunAtTheSameTime) {
  const thread_limit limit(2);
  std::atomic<int> arrived{0};
  std::atomic<int> met{0};
  for_each_unit(2, true, [&](std::uint32_t) {
    ++arrived;
    while (arrived < 2)
      std::this_thread::yield();
    ++met;
  });
  EXPECT_EQ(met, 2);
}

TEST(Team, AnExceptionComesOutAfterTheOthersAreDone) {
  const thread_limit limit(3);
  std::atomic<int> done{0};
  const auto failing = [&](std::uint32_t unit) {
    if (unit == 17) throw std::runtime_error("unit 17");
    ++done;
  };
  EXPECT_THROW(for_each_unit(100, true, failing), std::runtime_error);
  EXPECT_EQ(done, 99);
  // And the team is as good as before.
  done = 0;
  for_each_unit(100, true, [&](std::uint32_t) { ++done; });
  EXPECT_EQ(done, 100);
}

TEST(Team, InsideAUnitEverythingStaysOnItsThread) {
  const thread_limit limit(3);
  std::atomic<int> elsewhere{0};
  for_each_unit(8, true, [&](std::uint32_t) {
    const auto here = std::this_thread::get_id();
    for_each_unit(8, true, [&](std::uint32_t) {
      if (std::this_thread::get_id() != here) ++elsewhere;
    });
  });
  EXPECT_EQ(elsewhere, 0);
}

TEST(Team, CallersHaveTeamsOfTheirOwn) {
  std::atomic<int> done{0};
  const auto caller = [&] {
    const thread_limit limit(2);
    for (int round = 0; round < 200; ++round)
      for_each_unit(16, true, [&](std::uint32_t) { ++done; });
  };
  std::thread first(caller), second(caller);
  first.join();
  second.join();
  EXPECT_EQ(done, 2 * 200 * 16);
}

}  // namespace
}  // namespace lamina

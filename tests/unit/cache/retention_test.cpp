#include "actors/cache/retention.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

constexpr std::int64_t day = 24 * 3600 * 1000;
constexpr std::int64_t now = 20'000 * day;
constexpr eviction_limits none;

retention_limits unlimited() {
  return {0, 0, 0, 0, 64u << 20};
}

TEST(Retention, WithoutLimitsNothingIsAsked) {
  EXPECT_FALSE(plan_eviction(unlimited(), 1ull << 50, now, now));
}

TEST(Retention, DefaultsDropActivationsAfterSevenDaysAndRecordsNever) {
  const auto asked = plan_eviction({}, 0, now, now);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->values.unused_since_unix_ms, now - 7 * day);
  EXPECT_EQ(asked->values.used_bytes_max, none.used_bytes_max);
  EXPECT_EQ(asked->records.unused_since_unix_ms, none.unused_since_unix_ms);
  EXPECT_EQ(asked->records.used_bytes_max, none.used_bytes_max);
  EXPECT_EQ(asked->now_unix_ms, now);
}

TEST(Retention, DefaultBudgetIsTenGigabytesOfActivations) {
  const auto asked = plan_eviction({}, (10ull << 30) + 1, now, now);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->values.used_bytes_max, (10ull << 30) - (10ull << 30) / 20);
  EXPECT_EQ(asked->records.used_bytes_max, none.used_bytes_max);
}

TEST(Retention, AtTheBudgetNothingGoesBySize) {
  auto limits = unlimited();
  limits.disk_bytes_max = 1000;
  EXPECT_FALSE(plan_eviction(limits, 1000, now, now));
  ASSERT_TRUE(plan_eviction(limits, 1001, now, now));
  EXPECT_EQ(plan_eviction(limits, 1001, now, now)->values.used_bytes_max, 950u);
}

TEST(Retention, RecordsHaveASecondLargerLimit) {
  auto limits = unlimited();
  limits.disk_bytes_max = 1000;
  limits.records_bytes_max = 3000;
  EXPECT_EQ(plan_eviction(limits, 2000, now, now)->records.used_bytes_max,
            none.used_bytes_max);
  EXPECT_EQ(plan_eviction(limits, 3001, now, now)->records.used_bytes_max,
            2850u);
  limits.records_bytes_max = 10;
  EXPECT_EQ(plan_eviction(limits, 1001, now, now)->records.used_bytes_max, 950u)
      << "never smaller than the first";
}

TEST(Retention, RecordsOutliveActivations) {
  auto limits = unlimited();
  limits.values_ttl_ms = 7 * day;
  limits.records_ttl_ms = day;
  EXPECT_EQ(plan_eviction(limits, 0, now, now)->records.unused_since_unix_ms,
            now - 7 * day);
}

TEST(Retention, ClockThatWasNeverSetDropsNothingByAge) {
  const auto asked = plan_eviction({}, 0, 5000, 5000);
  ASSERT_TRUE(asked) << "access times from the future are to be corrected";
  EXPECT_EQ(asked->values.unused_since_unix_ms, none.unused_since_unix_ms);
}

TEST(Retention, WithoutATimeToTrustNothingGoesByAge) {
  const auto asked = plan_eviction({}, (10ull << 30) + 1, now, std::nullopt);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->values.unused_since_unix_ms, none.unused_since_unix_ms);
  EXPECT_LT(asked->values.used_bytes_max, 10ull << 30) << "by size it does";
}

TEST(Retention, CacheIsFullOnlyAboveTheBudget) {
  auto limits = unlimited();
  limits.disk_bytes_max = 1000;
  eviction_report report;
  report.cache_full = true;
  report.used_bytes = 980;
  EXPECT_FALSE(is_cache_full(limits, report)) << "the reserve was not reached";
  report.used_bytes = 1001;
  EXPECT_TRUE(is_cache_full(limits, report));
  report.cache_full = false;
  EXPECT_FALSE(is_cache_full(limits, report));
}

}  // namespace
}  // namespace lamina

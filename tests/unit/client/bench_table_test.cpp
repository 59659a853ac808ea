#include "client/cli/bench_table.hpp"

#include <gmock/gmock.h>

namespace lamina::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const style plain(false);

TEST(BenchTable, DecodingIsHeldAgainstMemoryWhereThatIsKnown) {
  json report = {{"model", "demo"},
                 {"dtype", "bfloat16"},
                 {"read_gb_s", 30.25},
                 {"rows",
                  {{{"batch", 16},
                    {"tokens_per_second", 1234.5},
                    {"ratio", 9.87},
                    {"weights_gb_s", 15.5},
                    {"of_read", 0.512}}}}};
  EXPECT_THAT(render_decode_rates(report, plain),
              AllOf(HasSubstr("demo, bfloat16"), HasSubstr("30.2 GB/s"),
                    HasSubstr("16"), HasSubstr("1234.5"), HasSubstr("9.87"),
                    HasSubstr("0.51")));
  report.erase("read_gb_s");
  report["rows"][0].erase("of_read");
  EXPECT_THAT(render_decode_rates(report, plain),
              AllOf(HasSubstr("1234.5"), Not(HasSubstr("read"))));
}

TEST(BenchTable, CaptureHasALineForEachMode) {
  const json report = {{"model", "demo"},
                       {"dtype", "float32"},
                       {"rows",
                        {{{"mode", "none"},
                          {"tokens_per_second", 120.0},
                          {"ratio", 1.0},
                          {"first_token_ms", 21.0},
                          {"durable_ms", 13.0}},
                         {{"mode", "eager"},
                          {"tokens_per_second", 110.4},
                          {"ratio", 0.92},
                          {"first_token_ms", 92.0},
                          {"durable_ms", 22.0}}}}};
  EXPECT_THAT(render_capture_costs(report, plain),
              AllOf(HasSubstr("none"), HasSubstr("eager"), HasSubstr("110.4"),
                    HasSubstr("0.92")));
}

json sessions_report(std::uint32_t refused, std::uint64_t clicks) {
  const json times = {
      {"count", 7}, {"p50", 1.25}, {"p99", 17.5}, {"longest", 20.0}};
  json click = times;
  click["count"] = clicks;
  return {{"model", "demo"},
          {"dtype", "bfloat16"},
          {"sessions", 64},
          {"clickers", 2},
          {"lens", "on_demand"},
          {"seconds", 20},
          {"tokens_per_second", 700.0},
          {"alone_tokens_per_second", 100.0},
          {"ratio", 7.0},
          {"least_share", 0.97},
          {"first_token_ms", times},
          {"gap_ms", times},
          {"click_ms", click},
          {"click_client_ms", click},
          {"refused", refused}};
}

TEST(BenchTable, SessionsSayHowFairAndHowQuick) {
  EXPECT_THAT(render_sessions(sessions_report(3, 7), plain),
              AllOf(HasSubstr("64 sessions"), HasSubstr("7.00 times one alone"),
                    HasSubstr("0.97 of an equal share"), HasSubstr("17.50"),
                    HasSubstr("overloaded"), HasSubstr("3 times")));
}

TEST(BenchTable, WhatDidNotHappenHasNoLine) {
  EXPECT_THAT(render_sessions(sessions_report(0, 0), plain),
              AllOf(Not(HasSubstr("overloaded")), Not(HasSubstr("click,"))));
}

}  // namespace
}  // namespace lamina::cli

#include "client/cli/report_table.hpp"

#include <gmock/gmock.h>

namespace lamina::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using json = nlohmann::ordered_json;

const style plain(false);

TEST(ReportTable, BytesAreReadable) {
  EXPECT_EQ(readable_bytes(0), "0 B");
  EXPECT_EQ(readable_bytes(999), "999 B");
  EXPECT_EQ(readable_bytes(1'250), "1.2 KB");
  EXPECT_EQ(readable_bytes(44'000'000), "44.0 MB");
  EXPECT_EQ(readable_bytes(2.5e15), "2.5 PB");
}

TEST(ReportTable, APlanSaysWhatItIsFromAndWhatFits) {
  const json plan = {{"model", "demo"},
                     {"layers", 8},
                     {"width", 192},
                     {"dtype", "bfloat16"},
                     {"tokens", 1000},
                     {"quality", "balanced"},
                     {"measured_chunks", 12},
                     {"disk_bytes", 3'500'000},
                     {"disk_budget_bytes", 1e9},
                     {"tokens_on_disk", 285714},
                     {"hours_on_disk", 1.6},
                     {"memory_budget_bytes", 0}};
  const auto text = render_plan(plan, plain);
  EXPECT_THAT(
      text, AllOf(HasSubstr("1000 tokens of demo"), HasSubstr("from 12 chunks"),
                  HasSubstr("3.5 MB"), HasSubstr("285714 tokens in 1.0 GB"),
                  HasSubstr("1.6 h"), HasSubstr("no limit"),
                  HasSubstr("not known yet")));
}

TEST(ReportTable, APlanFromDefaultsSaysSo) {
  const auto text = render_plan(json::object(), plain);
  EXPECT_THAT(text, HasSubstr("documented rates"));
}

TEST(ReportTable, AModelsPlanSaysWhatItsWeightsBecome) {
  json plan = {{"path", "/models/small"},
               {"dtype", "bfloat16"},
               {"weights", "int8"},
               {"copied_bytes", 1'500'000},
               {"quantised_bytes", 1.2e6}};
  EXPECT_THAT(render_model_plan(plan, plain),
              AllOf(HasSubstr("computes in bfloat16, weights int8"),
                    HasSubstr("1.5 MB"), HasSubstr("1.2 MB as int8")));
  plan["weights"] = "stored";
  EXPECT_THAT(render_model_plan(plan, plain), Not(HasSubstr("weights int8")));
}

TEST(ReportTable, APlanForADeviceCountsWeightsThere) {
  json plan = {{"device", "cuda:1"}, {"device_bytes", 564'224}};
  const auto text = render_model_plan(plan, plain);
  EXPECT_THAT(text, HasSubstr("weights on device"));
  EXPECT_THAT(text,
              AllOf(HasSubstr("564.2 KB, cuda:1"), Not(HasSubstr("mapped"))));
  plan["device_bytes"] = 0;
  EXPECT_THAT(render_model_plan(plan, plain), HasSubstr("weights mapped"));
}

TEST(ReportTable, RatesAreALineEach) {
  const json report = {{"conversation", "0000000000001"},
                       {"lens", true},
                       {"rows",
                        {{{"quality", "high"},
                          {"code_book", true},
                          {"value_bits", 6.43},
                          {"lens_top1", 0.997}},
                         {{"quality", "lossless"},
                          {"code_book", false},
                          {"value_bits", 9.33}}}}};
  const auto text = render_codec_rates(report, plain);
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("high, book        6.43"), HasSubstr("0.997"),
            HasSubstr("lossless          9.33"), Not(HasSubstr("not loaded"))));
}

TEST(ReportTable, ADamagedReportIsNoTrouble) {
  const json odd = {{"rows", {{{"quality", 3}}, "x"}}, {"layers", "many"}};
  EXPECT_THAT(render_codec_rates(odd, plain), HasSubstr("not loaded"));
}

}  // namespace
}  // namespace lamina::cli

// The text that Prometheus reads, and docs/operate.md, which lists what is in
// it.
#include "daemon/metrics_text.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "protocol/error.hpp"

namespace lamina {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json status() {
  json took{{"count", 3}, {"sum_us", 1'500'000}, {"buckets", json::array()}};
  for (int i = 0; i < 17; ++i)
    took["buckets"].push_back(i == 1 || i == 4 || i == 16 ? 1 : 0);
  const json shard{{"bytes", 5},
                   {"in_flight_bytes", 1},
                   {"hits", 2},
                   {"misses", 3},
                   {"evictions", 4}};
  return {{"version", "0.1.0"},
          {"uptime_s", 1.5},
          {"connections", 2},
          {"actors",
           {{"disk", {{"health", "up"}, {"deaths", 0}}},
            {"shard 0", {{"health", "down: x"}, {"deaths", 3}}}}},
          {"requests",
           {{"kinds", {{"GetLens", took}}}, {"errors", {{"not_found", 7}}}}},
          {"models",
           {{"a\"b",
             {{"health", "up"},
              {"engine",
               {{"tokens_decoded", 9}, {"seconds", {{"lens", 1.25}}}}}}}}},
          {"memory", {{"shards", {shard, shard}}}},
          {"store", {{"value_bytes", 4096}, {"unreadable", false}}},
          {"disk", {{"silent", "timeout"}}}};
}

TEST(MetricsText, HasTheNumbersOfTheStatus) {
  const auto text = metrics_text(status());
  for (const char* line :
       {"lamina_build_info{version=\"0.1.0\"} 1\n",
        "lamina_uptime_seconds 1.5\n", "lamina_connections 2\n",
        "lamina_actor_up{actor=\"disk\"} 1\n",
        "lamina_actor_up{actor=\"shard 0\"} 0\n",
        "lamina_actor_deaths_total{actor=\"shard 0\"} 3\n",
        "lamina_model_seconds_total{model=\"a\\\"b\",part=\"lens\"} 1.25\n",
        "lamina_request_errors_total{code=\"not_found\"} 7\n",
        "lamina_tier_bytes{tier=\"memory\"} 10\n",
        "lamina_tier_bytes{tier=\"disk\"} 4096\n",
        "lamina_lookups_total{tier=\"memory\",outcome=\"hit\"} 4\n",
        "lamina_store_unreadable 0\n"})
    EXPECT_THAT(text, HasSubstr(std::string("\n") + line));
}

TEST(MetricsText, BucketsContainThoseBelowThem) {
  const auto text = metrics_text(status());
  const std::string of = "lamina_request_seconds_bucket{request=\"GetLens\",";
  EXPECT_THAT(text, HasSubstr(of + "le=\"0.00025\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(of + "le=\"0.0005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(of + "le=\"0.005\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(of + "le=\"300.0\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(of + "le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text,
              HasSubstr("lamina_request_seconds_sum{request=\"GetLens\"} 1.5"));
  EXPECT_THAT(text,
              HasSubstr("lamina_request_seconds_count{request=\"GetLens\"} 3"));
}

TEST(MetricsText, LabelsAreEscaped) {
  EXPECT_THAT(metrics_text(status()),
              HasSubstr("lamina_model_up{model=\"a\\\"b\"} 1\n"));
}

TEST(MetricsText, WhoIsSilentHasNoNumbers) {
  EXPECT_THAT(metrics_text(status()), Not(HasSubstr("\nlamina_disk_commits")));
  EXPECT_NO_THROW(metrics_text(json::object()));
}

TEST(MetricsText, EveryLineIsOfTheFormat) {
  const std::regex form(
      "(# (HELP|TYPE) lamina_[a-z_]+ .+)|"
      "(lamina_[a-z_]+(\\{[a-z]+=\"[^\\n]*\"\\})? [-+.e0-9A-Za-z]+)");
  std::istringstream lines(metrics_text(status()));
  for (std::string line; std::getline(lines, line);)
    EXPECT_TRUE(std::regex_match(line, form)) << line;
}

class OperateDocument : public testing::Test {
 protected:
  OperateDocument() {
    std::ifstream file(LAMINA_SOURCE_DIR "/docs/operate.md");
    std::stringstream whole;
    whole << file.rdbuf();
    text_ = whole.str();
  }
  std::string text_;
};

TEST_F(OperateDocument, HasEveryMetricWithItsType) {
  for (const auto& m : metrics())
    EXPECT_THAT(text_, HasSubstr("| `" + std::string(m.name) + "` | " +
                                 std::string(m.type) + " |"));
}

TEST_F(OperateDocument, NamesNoMetricThatIsNotThere) {
  const std::regex name("`(lamina_[a-z_]+)`");
  for (std::sregex_iterator at(text_.begin(), text_.end(), name), end;
       at != end; ++at) {
    const auto found = (*at)[1].str();
    EXPECT_TRUE(std::ranges::any_of(metrics(), [&](const metric& m) {
      return m.name == found;
    })) << found;
  }
}

TEST_F(OperateDocument, HasEveryErrorCode) {
  for (int code = 1; code <= static_cast<int>(error_code::internal); ++code) {
    const std::string name(to_string(static_cast<error_code>(code)));
    EXPECT_THAT(text_, HasSubstr("| `" + name + "` |"));
  }
}

}  // namespace
}  // namespace lamina

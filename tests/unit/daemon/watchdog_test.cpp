#include "daemon/watchdog.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lamina {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;

const json well{{"disk", {{"commits", 1}}}};
const json silent_disk{{"disk", {{"silent", "timeout"}}}};
const json silent_model{{"models", {{"m", {{"engine", {{"silent", ""}}}}}}}};
const json silent_shard{{"memory", {{"shards", {{{"silent", ""}}}}}}};

TEST(Watchdog, ASilentPartIsGivenAMinute) {
  watchdog judge;
  const watchdog::time_point start;
  EXPECT_EQ(judge.silent_part(well, start), "");
  EXPECT_EQ(judge.silent_part(silent_disk, start), "");
  EXPECT_EQ(judge.silent_part(silent_disk, start + seconds(59)), "");
  EXPECT_EQ(judge.silent_part(silent_disk, start + seconds(60)), "/disk");
}

TEST(Watchdog, WhoAnswersAgainBeginsAnew) {
  watchdog judge;
  const watchdog::time_point start;
  judge.silent_part(silent_disk, start);
  EXPECT_EQ(judge.silent_part(well, start + seconds(30)), "");
  EXPECT_EQ(judge.silent_part(silent_disk, start + seconds(60)), "");
}

TEST(Watchdog, AModelMayTakeLongForAStep) {
  watchdog judge;
  const watchdog::time_point start;
  judge.silent_part(silent_model, start);
  EXPECT_EQ(judge.silent_part(silent_model, start + minutes(9)), "");
  EXPECT_EQ(judge.silent_part(silent_model, start + minutes(10)),
            "/models/m/engine");
}

TEST(Watchdog, ShardsAreLookedAtOneByOne) {
  watchdog judge;
  const watchdog::time_point start;
  judge.silent_part(silent_shard, start);
  EXPECT_EQ(judge.silent_part(silent_shard, start + minutes(2)),
            "/memory/shards/0");
}

}  // namespace
}  // namespace lamina

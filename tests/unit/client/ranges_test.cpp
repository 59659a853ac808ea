#include "client/cli/ranges.hpp"

#include <gmock/gmock.h>

namespace lamina::cli {
namespace {

using testing::ElementsAre;

TEST(Positions, ReadsRangesAsPythonWritesThem) {
  EXPECT_EQ(parse_positions("3:7").value(), (position_range{3, 7}));
  EXPECT_EQ(parse_positions("3:").value(), (position_range{3, std::nullopt}));
  EXPECT_EQ(parse_positions(":7").value(), (position_range{0, 7}));
  EXPECT_EQ(parse_positions(":").value(), (position_range{0, std::nullopt}));
  EXPECT_EQ(parse_positions("3").value(), (position_range{3, 4}));
}

TEST(Positions, RefusesWhatIsNoRangeAndRepeatsIt) {
  for (const auto* text : {"", "a", "3:a", "7:3", "3:3", "-1:4", "1:2:3",
                           "4294967295", "4294967296:", " 3"}) {
    const auto parsed = parse_positions(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, error_code::invalid_argument);
    EXPECT_NE(parsed.error().context.find("'" + std::string(text) + "'"),
              std::string::npos);
  }
}

TEST(Layers, ReadsNumbersRangesAndTheEmbedding) {
  EXPECT_THAT(parse_layers("0,5,8:11").value(), ElementsAre(0, 5, 8, 9, 10));
  EXPECT_THAT(parse_layers("embed,0").value(), ElementsAre(-1, 0));
  EXPECT_THAT(parse_layers("-1").value(), ElementsAre(-1));
}

TEST(Layers, KeepsTheOrderAndNamesEachOnce) {
  EXPECT_THAT(parse_layers("5,0:3,1,5").value(), ElementsAre(5, 0, 1, 2));
}

TEST(Layers, RefusesWhatIsNoLayer) {
  for (const auto* text :
       {"", ",", "0,", "a", "3:3", "5:2", "0:99999999", "32768", "-2", "0 1"})
    EXPECT_FALSE(parse_layers(text)) << text;
}

TEST(Sites, ReadsNames) {
  EXPECT_THAT(parse_sites("resid_post,embed").value(),
              ElementsAre(site::resid_post, site::embed));
  for (const auto* text : {"", "resid", "embed,", "embed, final_norm"})
    EXPECT_FALSE(parse_sites(text)) << text;
}

}  // namespace
}  // namespace lamina::cli

#include <gmock/gmock.h>

#include <sstream>

#include "client/cli/json_forms.hpp"
#include "client/cli/lens_table.hpp"
#include "client/cli/text.hpp"
#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const style plain(false);

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

/// Positions 5 to 4 + count of one layer, or of two.
wire::LensResultT range(std::size_t count, bool both_layers) {
  wire::LensResultT all;
  for (std::size_t i = 0; i < count; ++i) {
    auto part = answers::lens();
    auto& at = *part.positions.front();
    at.token = answers::token(static_cast<std::uint32_t>(5 + i), " ship");
    if (!both_layers) at.layers.erase(at.layers.begin());
    take_part(all, std::move(part));
  }
  return all;
}

void track(wire::LensResultT& lens) {
  lens.tracked.push_back(answers::token(0, " sea"));
  for (auto& at : lens.positions)
    for (auto& layer : at->layers) {
      layer->ranks_of_tracked = {0};
      layer->log_probabilities_of_tracked = {
          std::log(layer->layer < 0 ? 0.25f : 0.5f)};
    }
}

TEST(LensRangeTable, OneLayerGivesARowAPosition) {
  EXPECT_THAT(
      lines_of(render_lens_range(range(2, false), plain, 100)),
      ElementsAre(" 0000000000001  from disk, exact, 0.42 ms",
                  "                   layer  entropy      kl  rank  next   "
                  "predictions",
                  "     5 ·ship           0     2.50    1.25     1    3%   "
                  "·sea         80%  ↵             3% ",
                  "     6 ·ship           0     2.50    1.25     1    3%   "
                  "·sea         80%  ↵             3% "));
}

TEST(LensRangeTable, SeveralLayersGiveATableAPosition) {
  const auto lines = lines_of(render_lens_range(range(2, true), plain, 100));
  ASSERT_EQ(lines.size(), 2u + 2 * 3);
  EXPECT_THAT(lines[2], HasSubstr("5 ·ship"));
  EXPECT_THAT(lines[3], HasSubstr("embed"));
  EXPECT_THAT(lines[5], HasSubstr("6 ·ship"));
}

TEST(LensRangeTable, TrackedTokensGiveGridsAsWideAsTheTerminal) {
  auto lens = range(3, true);
  track(lens);
  EXPECT_THAT(lines_of(render_lens_range(lens, plain, 7 + 2 * 6)),
              ElementsAre(" 0000000000001  from disk, exact, 0.42 ms",
                          " ·sea (#100)",         //
                          "            5     6",  //
                          " embed    25%   25%",  //
                          "     0    50%   50%",  //
                          "            7",        //
                          " embed    25%",        //
                          "     0    50%"));
}

TEST(LensRangeTable, SaysTheLargestError) {
  auto lens = range(2, false);
  lens.positions.back()->exact = false;
  lens.positions.back()->relative_error = 0.01f;
  EXPECT_THAT(render_lens_range(lens, plain, 100), HasSubstr("within 0.01"));
}

TEST(LensRangeTable, TokensCannotCommandTheTerminal) {
  auto lens = range(1, true);
  track(lens);
  lens.positions.front()->token->bytes = {0x1b, ']'};
  lens.tracked.front()->bytes = {0x1b, ']'};
  EXPECT_THAT(render_lens_range(lens, plain, 100),
              testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(render_lens_rows(*lens.positions.front(), plain, 100),
              testing::Not(HasSubstr("\x1b")));
}

TEST(LensRangeTable, NoPositionsGiveNoText) {
  EXPECT_EQ(render_lens_range({}, plain, 100), "");
}

TEST(LensRangeForm, HasTheFieldsThatScriptsRead) {
  auto lens = range(2, true);
  track(lens);
  lens.positions_computed = 2;
  const auto form = range_to_json(lens, "tuned");
  EXPECT_EQ(form["conversation"], "0000000000001");
  EXPECT_EQ(form["lens"], "tuned");
  EXPECT_EQ(form["tracked"][0]["id"], 100);
  EXPECT_EQ(form["tracked"][0]["text"], " sea");
  EXPECT_EQ(form["positions"].size(), 2u);
  EXPECT_EQ(form["positions"][1]["position"], 6);
  EXPECT_EQ(form["positions"][0]["layers"][0]["tracked"][0]["rank"], 0);
  EXPECT_EQ(form["computed"], 2);
  EXPECT_TRUE(range_to_json(lens, "")["lens"].is_null());
}

}  // namespace
}  // namespace lamina::cli

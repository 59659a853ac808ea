#include "client/cli/search_table.hpp"

#include <gmock/gmock.h>

#include "client/cli/json_forms.hpp"
#include "client/cli/text.hpp"
#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const style plain(false);

std::vector<std::uint8_t> bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

std::unique_ptr<wire::SearchHitT> hit(float score, std::uint32_t position,
                                      std::string_view text) {
  auto made = std::make_unique<wire::SearchHitT>();
  made->score = score;
  made->conversation = "0000000000001";
  made->token = answers::token(position, text);
  made->before = bytes("The captain looked at the");
  made->text = bytes(text);
  made->after = bytes(" and said\nnothing");
  return made;
}

wire::SearchResultT found() {
  wire::SearchResultT made;
  made.hits.push_back(hit(0.9375f, 17, " sea"));
  made.hits.push_back(hit(0.5f, 3, " ship"));
  made.hits.back()->shared_by = 4;
  made.found = 120;
  made.conversations = 3;
  made.chunks_total = 8;
  made.chunks_scanned = 2;
  made.took_us = 1'500;
  return made;
}

TEST(SearchTable, ShowsScorePlaceRoleAndTheTokenInItsContext) {
  const auto text = render_search(found(), true, plain, 120);
  EXPECT_THAT(text, AllOf(HasSubstr("0.9375"), HasSubstr("0000000000001"),
                          HasSubstr("      17 assistant"),
                          HasSubstr("captain·looked·at·the[·sea]·and·said↵"),
                          HasSubstr("x4"), HasSubstr("120 positions scored"),
                          HasSubstr("3 conversations"), HasSubstr("1.5 ms")));
}

TEST(SearchTable, TokensStandOneBelowTheOther) {
  const auto text = render_search(found(), true, plain, 100);
  std::vector<std::size_t> columns;
  for (std::size_t begin = 0, end;
       (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const auto line = text.substr(begin, end - begin);
    EXPECT_LE(display_width(line), 100u);
    if (const auto at = line.find('['); at != std::string::npos)
      columns.push_back(display_width(line.substr(0, at)));
  }
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_EQ(columns[0], columns[1]);
}

TEST(SearchTable, ATextsPlacesHaveNoScore) {
  EXPECT_THAT(render_search(found(), false, plain, 100),
              AllOf(Not(HasSubstr("0.9375")), Not(HasSubstr("score")),
                    HasSubstr("found in 120 places")));
}

TEST(SearchTable, SaysWhatWasNotSearched) {
  auto lacking = found();
  EXPECT_THAT(render_search(lacking, true, plain, 100),
              AllOf(Not(HasSubstr("without stored")), Not(HasSubstr("passed")),
                    Not(HasSubstr("damaged")), Not(HasSubstr("within"))));
  lacking.positions_missing = 7;
  lacking.positions_unrankable = 2;
  lacking.conversations_passed_over = 5;
  lacking.conversations_unreadable = 1;
  lacking.exact = false;
  lacking.relative_error = 0.07f;
  EXPECT_THAT(
      render_search(lacking, true, plain, 100),
      AllOf(HasSubstr("7 positions without stored activations"),
            HasSubstr("2 without a finite score"),
            HasSubstr("5 conversations of other models passed over"),
            HasSubstr("1 conversations damaged"), HasSubstr("within 0.07")));
}

TEST(SearchTable, ACommandToTheTerminalIsShownNotObeyed) {
  auto hostile = found();
  hostile.hits.front()->before = bytes("\x1b[2J");
  EXPECT_THAT(render_search(hostile, true, plain, 100), Not(HasSubstr("\x1b")));
}

TEST(SearchProgress, TellsHowFarItIs) {
  EXPECT_EQ(render_search_progress(found(), true),
            " 25 %, 120 positions scored, best 0.9375");
  EXPECT_EQ(render_search_progress({}, false), "100 %, 0 places");
}

TEST(SearchJson, AHitHasItsTokensFieldsAndItsContext) {
  const auto document = to_json(found(), true);
  EXPECT_EQ(document["found"], 120);
  EXPECT_EQ(document["complete"], false);
  const auto& first = document["hits"][0];
  EXPECT_EQ(first["score"], 0.9375);
  EXPECT_EQ(first["conversation"], "0000000000001");
  EXPECT_EQ(first["position"], 17);
  EXPECT_EQ(first["text"], " sea");
  EXPECT_EQ(first["role"], "assistant");
  EXPECT_EQ(first["before"], "The captain looked at the");
  EXPECT_EQ(first["after"], " and said\nnothing");
  EXPECT_EQ(document["hits"][1]["shared_by"], 4);
  EXPECT_FALSE(to_json(found(), false)["hits"][0].contains("score"));
}

}  // namespace
}  // namespace lamina::cli

#include "client/cli/lens_table.hpp"

#include <gmock/gmock.h>

#include <sstream>
#include <vector>

#include "client/cli/text.hpp"
#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const style plain(false);
const style coloured(true);

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

TEST(LensTable, PlainTextIsExactlyThis) {
  EXPECT_THAT(
      lines_of(render_lens(answers::lens(), plain, 100)),
      ElementsAre(
          " 0000000000001  position 5  from disk, exact, 0.42 ms",
          " The·big[·ship]",
          " layer  entropy      kl  rank  next   predictions",
          " embed     2.50    1.25               ·sea         10%  ↵         "
          "    3% ",
          "     0     2.50    1.25     1    3%   ·sea         80%  ↵         "
          "    3% "));
}

TEST(LensTable, ColoursOnlyWhenAsked) {
  EXPECT_THAT(render_lens(answers::lens(), plain, 100), Not(HasSubstr("\x1b")));
  const auto text = render_lens(answers::lens(), coloured, 100);
  EXPECT_THAT(text, HasSubstr("\x1b[7m·ship\x1b[0m"));     // the clicked token
  EXPECT_THAT(text, HasSubstr("\x1b[48;5;117;38;5;16m"));  // 80 %
  EXPECT_THAT(text, Not(HasSubstr("[·ship]")));
}

TEST(LensTable, ShowsWhatFitsTheTerminalAndAtLeastOne) {
  for (const std::size_t columns : {0u, 55u, 72u, 73u, 200u}) {
    const auto lines = lines_of(render_lens(answers::lens(), plain, columns));
    const bool both = lines.back().find("↵") != std::string::npos;
    EXPECT_EQ(both, columns >= 73) << columns;
    EXPECT_THAT(lines.back(), HasSubstr("·sea"));
    const auto width = display_width(lines.back());
    EXPECT_TRUE(columns < 55 || width <= columns) << width;
  }
}

TEST(LensTable, SaysWhenValuesAreNotExact) {
  auto lens = answers::lens();
  lens.positions.front()->exact = false;
  lens.positions.front()->relative_error = 0.01f;
  EXPECT_THAT(render_lens(lens, plain, 100), HasSubstr("within 0.01"));
}

TEST(LensTable, TokensCannotCommandTheTerminal) {
  auto lens = answers::lens();
  lens.positions.front()->layers.front()->texts.front() = "\x1b[2J";
  lens.context.front()->bytes = {0x1b, ']'};
  EXPECT_THAT(render_lens(lens, plain, 100), Not(HasSubstr("\x1b")));
}

TEST(LensTable, NoPositionsGiveNoText) {
  EXPECT_EQ(render_lens({}, plain, 100), "");
}

}  // namespace
}  // namespace lamina::cli

#include "client/cli/text.hpp"

#include <gtest/gtest.h>

namespace lamina::cli {
namespace {

TEST(ValidUtf8, KeepsWhatIsValid) {
  for (const auto* text : {"", "plain", "grüße", "日本", "🌊"}) {
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_EQ(valid_utf8(text), text);
  }
}

TEST(ValidUtf8, ReplacesEachBadByte) {
  EXPECT_EQ(valid_utf8("a\xe2\x82"), "a\uFFFD\uFFFD");  // cut off
  EXPECT_EQ(valid_utf8("\xff!"), "\uFFFD!");
  EXPECT_FALSE(is_valid_utf8("\xc0\xaf"));          // overlong
  EXPECT_FALSE(is_valid_utf8("\xed\xa0\x80"));      // a surrogate
  EXPECT_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(is_valid_utf8("\x80"));
}

TEST(CompletePrefix, EndsBeforeAHalfCharacter) {
  const std::string wave = "a🌊";
  EXPECT_EQ(complete_prefix(wave), 5u);
  for (std::size_t kept = 2; kept < 5; ++kept)
    EXPECT_EQ(complete_prefix(wave.substr(0, kept)), 1u) << kept;
  EXPECT_EQ(complete_prefix(""), 0u);
  // Bytes that can never become a character are not waited for.
  EXPECT_EQ(complete_prefix("a\xff"), 2u);
  EXPECT_EQ(complete_prefix("\x80\x80\x80\x80"), 4u);
}

TEST(Visible, ShowsSpacesAndLineEnds) {
  EXPECT_EQ(visible(" the\n\tend"), "·the↵→end");
}

TEST(Harmless, LeavesNoControlCharacterButLineFeedAndTab) {
  EXPECT_EQ(harmless("a\x1b[2J\r\n\t\x7f"), "a␛[2J␍\n\t␡");
  EXPECT_EQ(harmless("\xc2\x9b"), "\uFFFD");      // a one-character CSI
  EXPECT_EQ(harmless("\u202Eabc"), "\uFFFDabc");  // right-to-left override
  EXPECT_EQ(harmless(std::string_view("\0", 1)), "␀");
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("grüße"), 5u);
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("🌊"), 2u);
  EXPECT_EQ(display_width("e\u0301"), 1u);  // a combining accent
}

TEST(Fit, PadsOrCutsToExactlyTheColumns) {
  EXPECT_EQ(fit("sea", 5), "sea  ");
  EXPECT_EQ(fit_right("sea", 5), "  sea");
  EXPECT_EQ(fit("seaside", 4), "sea…");
  EXPECT_EQ(fit("日本語", 4), "日… ");
  EXPECT_EQ(fit("sea", 0), "");
  for (std::size_t columns = 0; columns < 12; ++columns)
    EXPECT_EQ(display_width(fit("ab日🌊cd", columns)), columns);
}

}  // namespace
}  // namespace lamina::cli

#include <gtest/gtest.h>

#include "actors/model/tokenizer/tokenizer.hpp"

namespace lamina {
namespace {

const std::string replaced = "\uFFFD";

std::string whole(std::string_view bytes) {
  utf8_stream stream;
  std::string text = stream.push(bytes);
  return text + stream.finish();
}

TEST(Utf8Stream, HoldsACharacterBackUntilItIsWhole) {
  utf8_stream stream;
  EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80"
                        "b"),
            "\U0001F600"
            "b");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, TheEndReplacesWhatWasHeldBackOnce) {
  utf8_stream stream;
  EXPECT_EQ(stream.push("\xF0\x9F\x98"), "");
  EXPECT_EQ(stream.finish(), replaced);
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push("a"), "a");
}

TEST(Utf8Stream, ReplacesMaximalSubparts) {
  const std::string& r = replaced;
  // As Python's decode("utf-8", "replace").
  EXPECT_EQ(whole("\xFF\xC0\xAF"), r + r + r);
  EXPECT_EQ(whole("\xF0\x9F\x98"
                  "a"),
            r + "a");
  EXPECT_EQ(whole("\xE2\x82\xE2\x82\xAC"), r + "\u20AC");
  EXPECT_EQ(whole("\xED\xA0\x80"), r + r + r);
  EXPECT_EQ(whole("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(whole("\xE0\x80\x80"), r + r + r);
  EXPECT_EQ(whole("\xF0\x80"), r + r);
  EXPECT_EQ(whole("\x80"), r);
}

TEST(Utf8Stream, ByteByByteGivesTheSameText) {
  const std::string bytes =
      std::string("a\0", 2) + "\u00e9\u20ac\U0001F468\u200d\xF0\x9F\xFF\xE2z";
  utf8_stream stream;
  std::string text;
  for (const char c : bytes)
    text += stream.push({&c, 1});
  text += stream.finish();
  EXPECT_EQ(text, whole(bytes));
}

TEST(Utf8Stream, KeepsNothingBackThatCanNeverBecomeACharacter) {
  utf8_stream stream;
  EXPECT_EQ(stream.push("\xE0\x80"), replaced + replaced);
  EXPECT_EQ(stream.push("\xFF"), replaced);
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace lamina

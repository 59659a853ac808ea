#include "actors/search/selection.hpp"

#include <gmock/gmock.h>

#include <random>

namespace lamina {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<chunk_record> conversation(const std::vector<std::string>& tokens,
                                       position_t answer_begins = 1'000'000) {
  std::vector<chunk_record> chunks;
  for (position_t p = 0; p < tokens.size(); ++p) {
    if (chunk_of(p) == chunks.size()) chunks.emplace_back();
    token_record token;
    token.bytes = tokens[p];
    token.who = p < answer_begins ? role::user : role::assistant;
    chunks.back().tokens.push_back(token);
  }
  return chunks;
}

restriction containing(std::string text,
                       text_match match = text_match::across) {
  restriction where;
  where.text = std::move(text);
  where.match = match;
  return where;
}

std::vector<position_t> positions(const std::vector<std::uint32_t>& rows) {
  std::vector<position_t> all;
  for (std::uint32_t c = 0; c < rows.size(); ++c)
    for (std::uint32_t r = 0; r < chunk_positions; ++r)
      if ((rows[c] >> r & 1u) != 0) all.push_back(first_position(c) + r);
  return all;
}

TEST(FindText, SeesATextThatLiesAcrossTokens) {
  const auto chunks = conversation({"The", " se", "a", " is", " sea"});
  EXPECT_THAT(find_text(chunks, containing("sea")),
              ElementsAre(text_place{1, 2}, text_place{4, 1}));
  EXPECT_THAT(find_text(chunks, containing("The sea is")),
              ElementsAre(text_place{0, 4}));
  EXPECT_THAT(find_text(chunks, containing("ship")), IsEmpty());
}

TEST(FindText, SeesATextThatLiesAcrossChunks) {
  std::vector<std::string> tokens(15, "x");
  tokens.insert(tokens.end(), {"ab", "cd", "ef"});
  EXPECT_THAT(find_text(conversation(tokens), containing("bcde")),
              ElementsAre(text_place{15, 3}));
}

TEST(FindText, OccurrencesInTheSameTokensAreOnePlace) {
  const auto chunks = conversation({"aaa", "a", "b"});
  EXPECT_THAT(find_text(chunks, containing("aa")),
              ElementsAre(text_place{0, 1}, text_place{0, 2}));
}

TEST(FindText, OverlapsAreFoundAsByTryingEveryByte) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> tokens(40);
    std::string whole;
    for (auto& token : tokens) {
      for (auto left = random() % 4; left > 0; --left)
        token += static_cast<char>('a' + random() % 2);
      whole += token;
    }
    std::string text;
    for (auto left = 1 + random() % 5; left > 0; --left)
      text += static_cast<char>('a' + random() % 2);
    std::vector<text_place> expected;
    for (std::size_t at = whole.find(text); at != std::string::npos;
         at = whole.find(text, at + 1)) {
      const auto token_of = [&](std::size_t byte) {
        position_t t = 0;
        for (std::size_t end = tokens[0].size(); end <= byte;
             end += tokens[++t].size())
          continue;
        return t;
      };
      const auto first = token_of(at);
      const text_place place{first, token_of(at + text.size() - 1) - first + 1};
      if (expected.empty() || !(expected.back() == place))
        expected.push_back(place);
    }
    EXPECT_EQ(find_text(conversation(tokens), containing(text)), expected)
        << whole << " / " << text;
  }
}

/// A walk that goes back after each occurrence would take hours.
TEST(FindText, ATextOfOneRepeatedByteIsNoMoreWorkThanAnother) {
  const std::vector<std::string> tokens(1'000, std::string(1'000, 'a'));
  const std::string text(500'000, 'a');
  const auto chunks = conversation(tokens);
  // Two from each of 500 tokens, and one that ends with the last byte.
  EXPECT_EQ(find_text(chunks, containing(text)).size(), 1'001u);
  EXPECT_EQ(positions(select_rows(chunks, containing(text))).size(), 1'000u);
}

TEST(FindText, TokensWithoutBytesHoldNothing) {
  const auto chunks = conversation({"", "a", "", "b", ""});
  EXPECT_THAT(find_text(chunks, containing("a")),
              ElementsAre(text_place{1, 1}));
  EXPECT_THAT(find_text(chunks, containing("ab")),
              ElementsAre(text_place{1, 3}));
}

TEST(FindText, BytesNeedNotBeCharacters) {
  const auto chunks = conversation({"\xe2\x82", "\xac", std::string(1, '\0')});
  EXPECT_THAT(find_text(chunks, containing("\xe2\x82\xac")),
              ElementsAre(text_place{0, 2}));
  EXPECT_THAT(find_text(chunks, containing(std::string(1, '\0'))),
              ElementsAre(text_place{2, 1}));
}

TEST(FindText, TheFirstTokenMeetsTheOtherRestrictions) {
  const auto chunks = conversation({"a", "a", "a", "a"}, 2);
  auto where = containing("a");
  where.who = role::assistant;
  EXPECT_THAT(find_text(chunks, where),
              ElementsAre(text_place{2, 1}, text_place{3, 1}));
  where.end = 3;
  EXPECT_THAT(find_text(chunks, where), ElementsAre(text_place{2, 1}));
}

TEST(FindText, WithinAndWholeLookAtSingleTokens) {
  const auto chunks = conversation({" sea", "se", "a", " seaside", " sea"});
  EXPECT_THAT(
      find_text(chunks, containing("sea", text_match::within)),
      ElementsAre(text_place{0, 1}, text_place{3, 1}, text_place{4, 1}));
  EXPECT_THAT(find_text(chunks, containing(" sea", text_match::whole)),
              ElementsAre(text_place{0, 1}, text_place{4, 1}));
}

TEST(SelectRows, WithoutRestrictionTakesEveryPosition) {
  const auto rows =
      select_rows(conversation(std::vector<std::string>(20, "x")), {});
  EXPECT_THAT(rows, ElementsAre(0xffffu, 0xfu));
}

TEST(SelectRows, TakesTheRoleInTheRange) {
  const auto chunks = conversation(std::vector<std::string>(40, "x"), 18);
  restriction where;
  where.who = role::assistant;
  where.begin = 15;
  where.end = 21;
  EXPECT_THAT(positions(select_rows(chunks, where)), ElementsAre(18, 19, 20));
  where.who = role::user;
  EXPECT_THAT(positions(select_rows(chunks, where)), ElementsAre(15, 16, 17));
}

TEST(SelectRows, TakesEveryTokenThatAnOccurrenceTouches) {
  const auto chunks = conversation({"The", " se", "a", " is", " sea"});
  EXPECT_THAT(positions(select_rows(chunks, containing("sea i"))),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(
      positions(select_rows(chunks, containing("sea", text_match::within))),
      ElementsAre(4));
}

TEST(LastRows, AreWherePlacesEnd) {
  const std::vector<text_place> places{{3, 1}, {15, 3}};
  EXPECT_THAT(positions(last_rows(2, places)), ElementsAre(3, 17));
}

TEST(SelectRows, AnEmptyConversationHasNone) {
  EXPECT_THAT(select_rows({}, {}), IsEmpty());
  EXPECT_THAT(find_text({}, containing("a")), IsEmpty());
}

}  // namespace
}  // namespace lamina

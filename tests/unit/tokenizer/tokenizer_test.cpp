#include "actors/model/tokenizer/tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/tokenizer/fixtures.hpp"

namespace lamina::test {
namespace {

using ::testing::ElementsAre;
using ids = std::vector<token_id>;

tokenizer_ptr words() {
  return tokenizer::load(golden("words")).value();
}
tokenizer_ptr split() {
  return tokenizer::load(golden("split")).value();
}

ids encode(const tokenizer_ptr& t, std::string_view text,
           encode_options options = {}) {
  return t->encode(text, options).value();
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// ------------------------------------------- recorded from Hugging Face

class RecordedTokenizer : public ::testing::TestWithParam<const char*> {};

TEST_P(RecordedTokenizer, GivesTheRecordedIds) {
  const auto t = tokenizer::load(golden(GetParam())).value();
  const auto recorded = nlohmann::json::parse(
      text_of(golden(std::string(GetParam()) + "/vectors.json")));
  ASSERT_EQ(recorded["vectors"].size(), 500u);
  const auto front = recorded["front"].get<ids>();
  for (const auto& row : recorded["vectors"]) {
    const std::string text = from_hex(row["hex"]);
    const auto plain = row["plain"].get<ids>();
    const auto special = row.value("special", plain);
    EXPECT_EQ(encode(t, text), plain) << row["hex"];
    EXPECT_EQ(encode(t, text, {.parse_special = true}), special) << row["hex"];
    ids whole = front;
    whole.insert(whole.end(), plain.begin(), plain.end());
    EXPECT_EQ(encode(t, text, {.add_bos = true}), whole) << row["hex"];
  }
}

INSTANTIATE_TEST_SUITE_P(Both, RecordedTokenizer,
                         ::testing::Values("words", "split"));

TEST(Tokenizer, DecodesEveryRecordedTextToItsExactBytes) {
  const auto t = words();
  const auto recorded =
      nlohmann::json::parse(text_of(golden("words/vectors.json")));
  for (const auto& row : recorded["vectors"]) {
    const std::string text = from_hex(row["hex"]);
    EXPECT_EQ(decode(*t, encode(t, text)), text);
    EXPECT_EQ(decode(*t, encode(t, text, {.parse_special = true})), text);
  }
}

// ------------------------------------------------------ bytes and texts

TEST(Tokenizer, EveryByteComesBack) {
  std::string all;
  for (int b = 0; b < 256; ++b)
    all += static_cast<char>(b);
  const auto t = words();
  EXPECT_EQ(decode(*t, encode(t, all)), all);
}

TEST(Tokenizer, InvalidUtf8ComesBackAmongValidText) {
  const auto t = words();
  for (const std::string text :
       {"the river\xFF the river", "\xC0\xAF", "\xED\xA0\x80", "\xF0\x9F\x98",
        "caf\xC3", "\xE2\x82the", "\xF4\x90\x80\x80", "\x80\x80 x"})
    EXPECT_EQ(decode(*t, encode(t, text)), text);
}

TEST(Tokenizer, InvalidBytesLeaveTheirNeighboursAsTheyAre) {
  const auto t = words();
  ids expected = encode(t, "the river");
  const auto byte = encode(t, "\xFF");
  EXPECT_EQ(byte.size(), 1u);
  expected.insert(expected.end(), byte.begin(), byte.end());
  const auto after = encode(t, " the");
  expected.insert(expected.end(), after.begin(), after.end());
  EXPECT_EQ(encode(t, "the river\xFF the"), expected);
}

TEST(Tokenizer, RandomBytesComeBack) {
  const auto t = words();
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string text(random() % 64, '\0');
    for (char& c : text)
      c = static_cast<char>(random());
    EXPECT_EQ(decode(*t, encode(t, text)), text);
  }
}

TEST(Tokenizer, AMegabyteWithoutASpaceComesBack) {
  const auto t = words();
  std::mt19937 random(4);
  std::string letters(1 << 20, 'a');
  EXPECT_EQ(decode(*t, encode(t, letters)), letters);
  for (char& c : letters)
    c = static_cast<char>('a' + random() % 26);
  EXPECT_EQ(decode(*t, encode(t, letters)), letters);
}

TEST(Tokenizer, UnknownIdsHaveNoBytes) {
  const auto t = words();
  EXPECT_EQ(t->bytes_of(t->size()), "");
  EXPECT_EQ(t->bytes_of(0xFFFFFFFF), "");
  EXPECT_FALSE(t->is_special(0xFFFFFFFF));
}

// -------------------------------------------------------- added tokens

TEST(Tokenizer, SpecialTokensAreTextUnlessAskedFor) {
  const auto t = words();
  EXPECT_THAT(encode(t, "<|endoftext|>", {.parse_special = true}),
              ElementsAre(0));
  EXPECT_GT(encode(t, "<|endoftext|>").size(), 1u);
  EXPECT_TRUE(t->is_special(0));
  EXPECT_FALSE(t->is_special(1));
  EXPECT_EQ(t->bytes_of(0), "<|endoftext|>");
}

TEST(Tokenizer, AnAddedTokenOutsideTheAlphabetGivesItsContent) {
  const auto t = split();
  const auto found = encode(t, "<caf\xC3\xA9>");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(t->bytes_of(found[0]), "<caf\xC3\xA9>");
  EXPECT_FALSE(t->is_special(found[0]));
}

TEST(Tokenizer, BosComesFromTheTemplate) {
  EXPECT_EQ(split()->bos(), std::optional<token_id>(0));
  EXPECT_EQ(words()->bos(), std::nullopt);
  EXPECT_THAT(encode(split(), "", {.add_bos = true}), ElementsAre(0));
}

// ------------------------------------------------------- model options

TEST(Tokenizer, IgnoreMergesTakesAPieceThatIsATokenWhole) {
  const edit lone_token = [](nlohmann::json& j) {
    j["model"]["vocab"]["qzq"] = 900;
  };
  const auto merged = load_edited(lone_token).value();
  EXPECT_EQ(encode(merged, "qzq").size(), 3u);
  const auto whole = load_edited([&](nlohmann::json& j) {
                       lone_token(j);
                       j["model"]["ignore_merges"] = true;
                     }).value();
  EXPECT_THAT(encode(whole, "qzq"), ElementsAre(900));
  EXPECT_EQ(whole->size(), 901u);
  EXPECT_EQ(whole->bytes_of(899), "");
}

TEST(Tokenizer, MergesAsStringsMeanTheSame) {
  const auto t =
      load_edited([](nlohmann::json& j) {
        for (auto& m : j["model"]["merges"])
          if (m.is_array())
            m = m[0].get<std::string>() + " " + m[1].get<std::string>();
      }).value();
  const std::string text = "The night watchman remembers 42 letters.";
  EXPECT_EQ(encode(t, text), encode(words(), text));
}

TEST(Tokenizer, PrefixSpaceIsAddedWhenAsked) {
  const auto t = load_edited([](nlohmann::json& j) {
                   j["pre_tokenizer"]["add_prefix_space"] = true;
                 }).value();
  EXPECT_EQ(encode(t, "river"), encode(words(), " river"));
  EXPECT_EQ(encode(t, " river"), encode(words(), " river"));
  EXPECT_THAT(encode(t, ""), ElementsAre());
}

TEST(Tokenizer, Gpt2sTwoFilesLoadLikeTheirJson) {
  const auto document =
      nlohmann::json::parse(text_of(golden("words/tokenizer.json")));
  const temporary_directory directory;
  directory.write("vocab.json", document["model"]["vocab"].dump());
  std::string merges = "#version: 0.2\n";
  for (const auto& m : document["model"]["merges"])
    merges += m[0].get<std::string>() + " " + m[1].get<std::string>() + "\n";
  directory.write("merges.txt", merges);
  const auto t = tokenizer::load(directory.path()).value();
  const std::string text = "A grey heron didn't notice<|endoftext|>";
  EXPECT_EQ(encode(t, text, {.parse_special = true}),
            encode(words(), text, {.parse_special = true}));
  EXPECT_TRUE(t->is_special(0));
}

}  // namespace
}  // namespace lamina::test

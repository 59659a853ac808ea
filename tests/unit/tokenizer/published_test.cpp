// Tokenizers as they are published: GPT-2's two files and its vectors, and its
// vocabulary under the pipelines of GPT-2, Llama 3 and Qwen, on strings that
// mean no good.
#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "actors/model/tokenizer/byte_alphabet.hpp"
#include "actors/model/tokenizer/byte_pairs.hpp"
#include "actors/model/tokenizer/pre_tokenizer.hpp"
#include "tests/unit/tokenizer/fixtures.hpp"

namespace lamina::test {
namespace {

using nlohmann::json;
using ids = std::vector<token_id>;

std::vector<std::string> split_at(const std::string& text,
                                  const std::string& by) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(by, begin)) != text.npos;
       begin = end + by.size())
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

/// GPT-2's vocabulary follows from its merges: the bytes, printable ones first,
/// what each merge makes, and the end of text.
json gpt2_vocabulary(const json& merges) {
  json vocabulary = json::object();
  for (const bool printable : {true, false})
    for (unsigned b = 0; b < 256; ++b) {
      const std::string spelling =
          character_of_byte(static_cast<std::uint8_t>(b));
      const bool stands_for_itself =
          bytes_of_spelling(spelling).value()[0] == spelling[0] ||
          (spelling.size() == 2 && spelling[0] < '\xC4');
      if (stands_for_itself == printable)
        vocabulary[spelling] = vocabulary.size();
    }
  for (const auto& merge : merges)
    vocabulary[merge[0].get<std::string>() + merge[1].get<std::string>()] =
        vocabulary.size();
  vocabulary["<|endoftext|>"] = vocabulary.size();
  return vocabulary;
}

json gpt2_merges() {
  json merges = json::array();
  for (const auto& line : split_at(text_of(golden("gpt2/merges.txt")), "\n"))
    if (!line.empty() && !line.starts_with("#version"))
      merges.push_back(split_at(line, " "));
  return merges;
}

tokenizer_ptr by_two_files() {
  const temporary_directory directory;
  directory.write("vocab.json", gpt2_vocabulary(gpt2_merges()).dump());
  directory.write("merges.txt", text_of(golden("gpt2/merges.txt")));
  return tokenizer::load(directory.path()).value();
}

tokenizer_ptr by_pipeline(const std::string& name) {
  json document = json::parse(text_of(golden(name + ".json")));
  document["model"]["merges"] = gpt2_merges();
  document["model"]["vocab"] = gpt2_vocabulary(document["model"]["merges"]);
  return load_text(document.dump()).value();
}

TEST(PublishedTokenizer, Gpt2sFilesGiveTheRecordedIds) {
  const auto t = by_two_files();
  EXPECT_EQ(t->size(), 50'257u);
  const auto texts =
      split_at(text_of(golden("gpt2/texts.inp")), "\n__ggml_vocab_test__\n");
  const auto recorded = split_at(text_of(golden("gpt2/texts.out")), "\n");
  ASSERT_GE(recorded.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::istringstream line(recorded[i]);
    const ids expected{std::istream_iterator<token_id>(line), {}};
    EXPECT_EQ(t->encode(texts[i], {}).value(), expected) << texts[i];
  }
}

/// FNV-1a, as make_hostile.py has it.
std::string digest_of(const ids& tokens) {
  std::uint64_t h = 0xCBF29CE484222325;
  for (const token_id id : tokens)
    for (int shift = 0; shift < 32; shift += 8)
      h = (h ^ (id >> shift & 0xFF)) * 0x100000001B3;
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx",
                static_cast<unsigned long long>(h));
  return text.data();
}

class HostileStrings : public ::testing::TestWithParam<int> {};

TEST_P(HostileStrings, GiveTheRecordedIdsAndComeBack) {
  const std::array<const char*, 3> names{"gpt2", "llama3", "qwen"};
  const std::string name = names.at(GetParam());
  const auto t = by_pipeline(name);
  std::size_t texts = 0;
  for (const auto& line : split_at(text_of(golden("hostile.tsv")), "\n")) {
    if (line.empty() || line[0] == '#') continue;
    ++texts;
    const auto columns = split_at(line, "\t");
    const std::string text = from_hex(columns.at(0));
    ids both = t->encode(text, {}).value();
    // Qwen's normalizer may change the text; the others may not.
    if (name != "qwen") {
      EXPECT_EQ(decode(*t, both), text);
    }
    both.push_back(~token_id{0});
    const ids special = t->encode(text, {.parse_special = true}).value();
    both.insert(both.end(), special.begin(), special.end());
    EXPECT_EQ(digest_of(both), columns.at(1 + GetParam())) << columns[0];
  }
  EXPECT_GE(texts, 2'000u);
}

INSTANTIATE_TEST_SUITE_P(Pipelines, HostileStrings, ::testing::Range(0, 3));

TEST(PublishedTokenizer, Llama3BeginsTextsAndQwenDoesNot) {
  EXPECT_EQ(by_pipeline("llama3")->bos(), std::optional<token_id>(50'257));
  EXPECT_EQ(by_pipeline("qwen")->bos(), std::nullopt);
  EXPECT_EQ(by_pipeline("gpt2")->bos(), std::nullopt);
}

// One piece of a megabyte: every byte is looked at a bounded number of times,
// whatever it is.
TEST(PublishedTokenizer, WorkOfALongPieceGrowsWithItsBytes) {
  byte_pairs::byte_tokens bytes{};
  std::iota(bytes.begin(), bytes.end(), 0u);
  byte_pairs pairs(bytes);
  // Runs of "a" double; "ab" and "ba" overlap everywhere.
  pairs.add_merge('a', 'b', 0, 300);
  pairs.add_merge('b', 'a', 1, 301);
  pairs.add_merge('a', 'a', 2, 256);
  for (token_id i = 256; i < 276; ++i)
    pairs.add_merge(i, i, i, i + 1);
  for (const std::string unit : {"a", "ab", "aab", "abba", "xyz"})
    for (const std::size_t size :
         {std::size_t{1} << 10, std::size_t{1} << 20}) {
      std::string piece;
      while (piece.size() < size)
        piece += unit;
      ids out;
      EXPECT_LT(pairs.encode(piece, out), 3 * piece.size()) << unit;
    }
}

TEST(PublishedTokenizer, AMegabyteWithoutASpaceIsOnePieceAndComesBack) {
  for (const char* name : {"gpt2", "llama3", "qwen"}) {
    const auto t = by_pipeline(name);
    std::string letters(1 << 20, 'z');
    for (std::size_t i = 0; i < letters.size(); ++i)
      letters[i] = static_cast<char>('a' + i * i % 26);
    EXPECT_EQ(decode(*t, t->encode(letters, {}).value()), letters) << name;
    const std::string marks(1 << 20, '!');
    EXPECT_EQ(decode(*t, t->encode(marks, {}).value()), marks) << name;
  }
}

}  // namespace
}  // namespace lamina::test

// What a broken, lying or unsupported tokenizer.json is answered with.
#include "actors/model/tokenizer/tokenizer_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/tokenizer/fixtures.hpp"

namespace lamina::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

void expect_error(const result<tokenizer_ptr>& loaded, error_code code,
                  const std::string& part) {
  ASSERT_FALSE(loaded.has_value()) << part;
  EXPECT_EQ(loaded.error().code, code) << to_string(loaded.error());
  EXPECT_THAT(loaded.error().context, HasSubstr(part));
  EXPECT_THAT(loaded.error().context, HasSubstr("tokenizer.json"));
}

TEST(TokenizerFile, MissingFileIsNotFound) {
  const temporary_directory empty;
  expect_error(tokenizer::load(empty.path()), error_code::not_found,
               "no such file");
}

TEST(TokenizerFile, ADirectoryInItsPlaceIsAnIoError) {
  const temporary_directory directory;
  std::filesystem::create_directory(directory.path() / "tokenizer.json");
  expect_error(tokenizer::load(directory.path()), error_code::io_error,
               "not a regular file");
}

TEST(TokenizerFile, TruncatedJsonIsCorrupt) {
  const std::string whole = text_of(golden("words/tokenizer.json"));
  expect_error(load_text(whole.substr(0, whole.size() / 2)),
               error_code::corrupt, "not JSON");
  expect_error(load_text(""), error_code::corrupt, "not JSON");
  expect_error(load_text("[]"), error_code::corrupt, "not an object");
}

TEST(TokenizerFile, AbsurdNestingMeetsTheLimit) {
  expect_error(load_text(std::string(1 << 20, '[')), error_code::limit_exceeded,
               "nested deeper");
}

TEST(TokenizerFile, AnOversizedFileMeetsTheLimit) {
  const temporary_directory directory;
  directory.write("tokenizer.json", "{}");
  std::filesystem::resize_file(directory.path() / "tokenizer.json",
                               tokenizer_file_bytes_max + 1);
  expect_error(tokenizer::load(directory.path()), error_code::limit_exceeded,
               "bytes");
}

struct bad_edit {
  const char* name;
  edit change;
  error_code code;
  std::string part;
};

const bad_edit bad_edits[] = {
    {"NoModel", [](json& j) { j.erase("model"); }, error_code::corrupt,
     "model: missing"},
    {"UnigramModel", [](json& j) { j["model"]["type"] = "Unigram"; },
     error_code::unsupported, "Unigram"},
    {"NoVocabulary", [](json& j) { j["model"].erase("vocab"); },
     error_code::corrupt, "model.vocab: missing"},
    {"NoMerges", [](json& j) { j["model"].erase("merges"); },
     error_code::corrupt, "model.merges: missing"},
    {"MergeOfAnUnknownToken",
     [](json& j) {
       j["model"]["merges"][3] = json{"zzzz", "a"};
     },
     error_code::corrupt, "model.merges[3]: \"zzzz\" is not in the vocabulary"},
    {"MergeIntoAnUnknownToken",
     [](json& j) { j["model"]["merges"][3] = "! #"; }, error_code::corrupt,
     "model.merges[3]: \"!#\" is not"},
    {"MergeOfThree", [](json& j) { j["model"]["merges"][3] = "a b c"; },
     error_code::corrupt, "not two tokens"},
    {"MergeThatIsANumber", [](json& j) { j["model"]["merges"][3] = 7; },
     error_code::corrupt, "model.merges[3]: not a pair"},
    {"TwoTokensWithOneId", [](json& j) { j["model"]["vocab"]["zzzz"] = 5; },
     error_code::corrupt, "id 5 is another token's"},
    {"NegativeId", [](json& j) { j["model"]["vocab"]["zzzz"] = -1; },
     error_code::corrupt, "not a token id"},
    {"AbsurdId", [](json& j) { j["model"]["vocab"]["zzzz"] = 4000000000u; },
     error_code::limit_exceeded, "4000000000"},
    {"AddedTokenWithAnothersId",
     [](json& j) { j["added_tokens"][0]["id"] = 5; }, error_code::corrupt,
     "added_tokens[0]"},
    {"AddedTokenWithTwoIds", [](json& j) { j["added_tokens"][0]["id"] = 5000; },
     error_code::corrupt, "added_tokens[0]"},
    {"EmptyAddedToken", [](json& j) { j["added_tokens"][0]["content"] = ""; },
     error_code::corrupt, "added_tokens[0].content: empty"},
    {"AddedTokenWithAWordForAFlag",
     [](json& j) { j["added_tokens"][0]["special"] = "yes"; },
     error_code::corrupt, "added_tokens[0].special"},
    {"MissingByte", [](json& j) { j["model"]["vocab"].erase("\u0100"); },
     error_code::unsupported, "no token for the byte 0"},
    {"Dropout", [](json& j) { j["model"]["dropout"] = 0.1; },
     error_code::unsupported, "model.dropout"},
    {"SubwordPrefix",
     [](json& j) { j["model"]["continuing_subword_prefix"] = "##"; },
     error_code::unsupported, "model.continuing_subword_prefix"},
    {"Lowercase", [](json& j) { j["normalizer"]["type"] = "Lowercase"; },
     error_code::unsupported, "normalizer.type: \"Lowercase\""},
    {"NoByteLevel", [](json& j) { j["pre_tokenizer"] = nullptr; },
     error_code::unsupported, "ByteLevel"},
    {"Metaspace", [](json& j) { j["pre_tokenizer"]["type"] = "Metaspace"; },
     error_code::unsupported, "pre_tokenizer.type: \"Metaspace\""},
    {"BertPostProcessor",
     [](json& j) {
       j["post_processor"] = {{"type", "BertProcessing"}};
     },
     error_code::unsupported, "BertProcessing"},
    {"MetaspaceDecoder",
     [](json& j) {
       j["decoder"] = {{"type", "Metaspace"}};
     },
     error_code::unsupported, "decoder.type"},
    {"TemplateOfAnUnknownToken",
     [](json& j) {
       j["post_processor"] = {
           {"type", "TemplateProcessing"},
           {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}}},
           {"special_tokens", json::object()}};
     },
     error_code::corrupt, "post_processor.special_tokens.<s>.ids: missing"},
    {"TemplateOfAnIdWithoutToken",
     [](json& j) {
       j["post_processor"] = {
           {"type", "TemplateProcessing"},
           {"single",
            {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
             {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
           {"special_tokens", {{"<s>", {{"ids", {60000}}}}}}};
     },
     error_code::corrupt, "60000"},
};

class BadTokenizerFile : public ::testing::TestWithParam<bad_edit> {};

TEST_P(BadTokenizerFile, IsRefusedWithTheReason) {
  expect_error(load_edited(GetParam().change), GetParam().code,
               GetParam().part);
}

INSTANTIATE_TEST_SUITE_P(Each, BadTokenizerFile, ::testing::ValuesIn(bad_edits),
                         [](const auto& tested) {
                           return std::string(tested.param.name);
                         });

/// Whatever loads must also run: every text comes back or is refused.
void use(const result<tokenizer_ptr>& loaded) {
  if (!loaded) return;
  const tokenizer& t = *loaded.value();
  for (const bool flag : {false, true}) {
    const auto encoded = t.encode("The café's <|endoftext|> 42\xFF\n",
                                  {.add_bos = flag, .parse_special = flag});
    if (!encoded) continue;
    for (const token_id id : encoded.value())
      ASSERT_LT(id, t.size());
    decode(t, encoded.value());
  }
}

TEST(TokenizerFile, MutatedBytesNeverCrash) {
  const std::string whole = text_of(golden("split/tokenizer.json"));
  std::mt19937 random(1);
  // Half of the edits fall on what is not vocabulary, which is most of it.
  const std::size_t vocabulary = whole.find("\"vocab\"");
  for (int round = 0; round < 600; ++round) {
    std::string text = whole;
    for (unsigned n = random() % 4 + 1; n > 0; --n) {
      const std::size_t end = round % 2 == 0 ? text.size() : vocabulary;
      const std::size_t at = random() % std::min(end, text.size());
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 8 + 1);
          break;
        default:
          text.insert(at, 1, "\"{}[],:0\\ \x80"[random() % 11]);
      }
    }
    use(load_text(text));
  }
}

/// A random node of the document.
json& any_node(json& root, std::mt19937& random) {
  json* at = &root;
  while (at->is_structured() && !at->empty() && random() % 5 != 0) {
    auto child = at->begin();
    std::advance(child, random() % std::min<std::size_t>(at->size(), 40));
    at = &*child;
  }
  return *at;
}

TEST(TokenizerFile, MutatedValuesNeverCrash) {
  const json whole = json::parse(text_of(golden("split/tokenizer.json")));
  const json strange[] = {nullptr,        true, -1,    0,     1e300,
                          4294967296u,    "",   "(",   "\\p", json::array(),
                          json::object(), 0.5,  "NFC", 3,     {1, 2},
                          "Sequence"};
  std::mt19937 random(2);
  for (int round = 0; round < 600; ++round) {
    json document = whole;
    for (unsigned n = random() % 3 + 1; n > 0; --n)
      any_node(document, random) = strange[random() % std::size(strange)];
    use(load_text(document.dump()));
  }
}

}  // namespace
}  // namespace lamina::test

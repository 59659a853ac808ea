#include "actors/model/tokenizer/tokenizer_file.hpp"

#include <algorithm>

#include "actors/model/tokenizer/json_file.hpp"
#include "actors/model/tokenizer/pipeline_file.hpp"

namespace lamina {

namespace {

std::string in_quotes(std::string_view s) {
  std::string out = "\"";
  out += s;
  out += '"';
  return out;
}

result<void> read_vocabulary(const json_place& place, tokenizer_file& out) {
  BOOST_OUTCOME_TRYV(place.must_be_object());
  std::vector<bool> taken;
  out.vocabulary.reserve(place.value().size());
  for (const auto& [token, value] : place.value().items()) {
    const json_place entry(value, place.path() + "[" + in_quotes(token) + "]");
    BOOST_OUTCOME_TRY(id, entry.id(token_id_max));
    if (id >= taken.size()) taken.resize(id + 1);
    if (taken[id])
      return entry.wrong(error_code::corrupt,
                         "id " + std::to_string(id) + " is another token's");
    taken[id] = true;
    out.vocabulary.emplace(token, id);
  }
  return success();
}

struct spelled_pair {
  std::string left;
  std::string right;
};

/// "a b", or ["a", "b"] (which newer files use, as tokens may have spaces).
result<spelled_pair> read_pair(const json_place& place) {
  if (place.value().is_array() && place.value().size() == 2) {
    BOOST_OUTCOME_TRY(left, place.at(std::size_t{0}).text());
    BOOST_OUTCOME_TRY(right, place.at(std::size_t{1}).text());
    return spelled_pair{std::move(left), std::move(right)};
  }
  if (!place.value().is_string())
    return place.wrong(error_code::corrupt, "not a pair of tokens");
  const auto& line = place.value().get_ref<const std::string&>();
  const std::size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != line.npos)
    return place.wrong(error_code::corrupt,
                       in_quotes(line) + " is not two tokens and a space");
  return spelled_pair{line.substr(0, space), line.substr(space + 1)};
}

result<void> add_merge(const spelled_pair& pair, const json_place& place,
                       tokenizer_file& out) {
  const auto find = [&](const std::string& token) -> result<token_id> {
    const auto found = out.vocabulary.find(token);
    if (found == out.vocabulary.end())
      return place.wrong(error_code::corrupt,
                         in_quotes(token) + " is not in the vocabulary");
    return found->second;
  };
  BOOST_OUTCOME_TRY(left, find(pair.left));
  BOOST_OUTCOME_TRY(right, find(pair.right));
  BOOST_OUTCOME_TRY(joined, find(pair.left + pair.right));
  out.merges.push_back({left, right, joined});
  return success();
}

result<void> read_merges(const json_place& place, tokenizer_file& out) {
  BOOST_OUTCOME_TRYV(place.must_be_array());
  out.merges.reserve(place.value().size());
  for (std::size_t i = 0; i < place.value().size(); ++i) {
    const json_place entry = place.at(i);
    BOOST_OUTCOME_TRY(pair, read_pair(entry));
    BOOST_OUTCOME_TRYV(add_merge(pair, entry, out));
  }
  return success();
}

/// `unk_token` and `byte_fallback` matter only to bytes without a token, of
/// which there are none: `tokenizer::load` demands all 256.
result<void> check_model(const json_place& model) {
  BOOST_OUTCOME_TRYV(model.must_be_object());
  const json_place type = model.at("type");
  if (!type.is_null()) {  // files from before 2021 leave it out
    BOOST_OUTCOME_TRY(name, type.text());
    if (name != "BPE")
      return type.wrong(error_code::unsupported,
                        "the tokenizer model " + in_quotes(name) +
                            "; byte-level BPE is supported");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.at(key).is_blank())
      return model.at(key).wrong(error_code::unsupported,
                                 "only null and \"\" are supported");
  const json_place dropout = model.at("dropout");
  if (!dropout.is_null() && dropout.value() != 0.0)
    return dropout.wrong(error_code::unsupported,
                         "a tokenizer that gives random results");
  return success();
}

result<void> read_model(const json_place& model, tokenizer_file& out) {
  BOOST_OUTCOME_TRYV(check_model(model));
  BOOST_OUTCOME_TRY(ignore, model.at("ignore_merges").boolean(false));
  out.ignore_merges = ignore;
  BOOST_OUTCOME_TRYV(read_vocabulary(model.at("vocab"), out));
  return read_merges(model.at("merges"), out);
}

result<added_token> read_added_token(const json_place& place) {
  BOOST_OUTCOME_TRYV(place.must_be_object());
  added_token token;
  BOOST_OUTCOME_TRY(id, place.at("id").id(token_id_max));
  token.id = id;
  BOOST_OUTCOME_TRY(content, place.at("content").text());
  token.content = std::move(content);
  if (token.content.empty())
    return place.at("content").wrong(error_code::corrupt, "empty");
  BOOST_OUTCOME_TRY(special, place.at("special").boolean(false));
  token.special = special;
  BOOST_OUTCOME_TRY(word, place.at("single_word").boolean(false));
  token.single_word = word;
  BOOST_OUTCOME_TRY(lstrip, place.at("lstrip").boolean(false));
  token.lstrip = lstrip;
  BOOST_OUTCOME_TRY(rstrip, place.at("rstrip").boolean(false));
  token.rstrip = rstrip;
  BOOST_OUTCOME_TRY(normalized, place.at("normalized").boolean(!special));
  token.normalized = normalized;
  return token;
}

/// An added token may repeat a vocabulary entry, under that entry's id.
result<void> read_added_tokens(const json_place& place, tokenizer_file& out) {
  if (place.is_null()) return success();
  BOOST_OUTCOME_TRYV(place.must_be_array());
  std::unordered_map<token_id, std::string> contents;
  for (const auto& [token, id] : out.vocabulary)
    contents.emplace(id, token);
  std::unordered_map<std::string, token_id> ids = out.vocabulary;
  for (std::size_t i = 0; i < place.value().size(); ++i) {
    BOOST_OUTCOME_TRY(token, read_added_token(place.at(i)));
    const auto by_id = contents.emplace(token.id, token.content).first;
    const auto by_content = ids.emplace(token.content, token.id).first;
    if (by_id->second != token.content || by_content->second != token.id)
      return place.at(i).wrong(
          error_code::corrupt,
          in_quotes(token.content) + " has id " + std::to_string(token.id) +
              (by_id->second != token.content
                   ? ", which is " + in_quotes(by_id->second) + "'s"
                   : ", and also " + std::to_string(by_content->second)));
    out.added.push_back(std::move(token));
  }
  return success();
}

result<tokenizer_file> read_document(const json_place& root) {
  BOOST_OUTCOME_TRYV(root.must_be_object());
  tokenizer_file out;
  BOOST_OUTCOME_TRYV(read_model(root.at("model"), out));
  BOOST_OUTCOME_TRYV(read_added_tokens(root.at("added_tokens"), out));
  BOOST_OUTCOME_TRYV(read_pipeline(root, out));
  return out;
}

/// One pair a line; a line that begins with "#version" is a remark.
result<void> read_merge_lines(std::string_view text, tokenizer_file& out) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string row(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.ends_with('\r')) row.pop_back();
    if (row.empty() || row.starts_with("#version")) continue;
    const nlohmann::json value = row;
    const json_place place(value, "line " + std::to_string(line));
    BOOST_OUTCOME_TRY(pair, read_pair(place));
    BOOST_OUTCOME_TRYV(add_merge(pair, place, out));
  }
  return success();
}

template <class Read>
result<void> in_file(const std::filesystem::path& file, Read read) {
  const auto run = [&]() -> result<void> {
    BOOST_OUTCOME_TRY(text, read_text_file(file, tokenizer_file_bytes_max));
    return read(text);
  };
  result<void> done = run();
  if (!done) return within(file.string(), std::move(done).error());
  return done;
}

}  // namespace

result<tokenizer_file> read_tokenizer_file(const std::filesystem::path& file) {
  tokenizer_file out;
  BOOST_OUTCOME_TRYV(
      in_file(file, [&](const std::string& text) -> result<void> {
        BOOST_OUTCOME_TRY(document, parse_json(text));
        BOOST_OUTCOME_TRY(read, read_document(json_place(document, "")));
        out = std::move(read);
        return success();
      }));
  return out;
}

result<tokenizer_file> read_gpt2_files(const std::filesystem::path& vocabulary,
                                       const std::filesystem::path& merges) {
  tokenizer_file out;
  out.split_words = true;
  BOOST_OUTCOME_TRYV(
      in_file(vocabulary, [&](const std::string& text) -> result<void> {
        BOOST_OUTCOME_TRY(document, parse_json(text));
        return read_vocabulary(json_place(document, ""), out);
      }));
  BOOST_OUTCOME_TRYV(in_file(merges, [&](const std::string& text) {
    return read_merge_lines(text, out);
  }));
  const std::string end_of_text = "<|endoftext|>";
  const auto end = out.vocabulary.find(end_of_text);
  if (end != out.vocabulary.end())
    out.added.push_back({.id = end->second,
                         .content = end_of_text,
                         .normalized = false,
                         .special = true});
  return out;
}

}  // namespace lamina

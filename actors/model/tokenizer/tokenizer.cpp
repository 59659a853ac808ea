#include "actors/model/tokenizer/tokenizer.hpp"

#include <algorithm>

#include "actors/model/tokenizer/added_tokens.hpp"
#include "actors/model/tokenizer/byte_alphabet.hpp"
#include "actors/model/tokenizer/byte_pairs.hpp"
#include "actors/model/tokenizer/nfc.hpp"
#include "actors/model/tokenizer/pre_tokenizer.hpp"
#include "actors/model/tokenizer/tokenizer_file.hpp"
#include "actors/model/tokenizer/utf8.hpp"

namespace lamina {

namespace {

/// The parts of a tokenizer that are made from its file one by one.
struct tokenizer_parts {
  added_token_finder raw_tokens;         // looked for in the text as it is
  added_token_finder normalized_tokens;  // looked for after normalization
  pre_tokenizer pieces;
  byte_pairs pairs;
};

class byte_level_tokenizer final : public tokenizer {
 public:
  byte_level_tokenizer(tokenizer_parts parts, const tokenizer_file& file)
      : parts_(std::move(parts)), nfc_(file.nfc), prefix_(file.prefix) {
    for (const auto& [spelling, id] : file.vocabulary)
      // As the ByteLevel decoder: what is not in the alphabet stands for
      // itself.
      set_token(id, bytes_of_spelling(spelling).value_or(spelling), false);
    for (const added_token& t : file.added)
      set_token(t.id, t.content, t.special);
    if (!file.ignore_merges) return;
    for (const auto& [spelling, id] : file.vocabulary)
      if (auto bytes = bytes_of_spelling(spelling))
        whole_pieces_.emplace(std::move(*bytes), id);
  }

  result<std::vector<token_id>> encode(
      std::string_view text, const encode_options& options) const override {
    std::vector<token_id> out;
    if (options.add_bos) out = prefix_;
    while (!text.empty()) {
      const std::size_t valid = valid_utf8_prefix(text);
      BOOST_OUTCOME_TRYV(
          encode_valid(text.substr(0, valid), options.parse_special, out));
      text.remove_prefix(valid);
      if (!text.empty()) encode_invalid(text, out);
    }
    return out;
  }

  std::string_view bytes_of(token_id id) const override {
    return id < bytes_.size() ? std::string_view(bytes_[id]) : "";
  }
  bool is_special(token_id id) const override {
    return id < special_.size() && special_[id];
  }
  std::optional<token_id> bos() const override {
    return prefix_.empty() ? std::nullopt : std::optional(prefix_.front());
  }
  std::uint32_t size() const override {
    return static_cast<std::uint32_t>(bytes_.size());
  }

 private:
  void set_token(token_id id, std::string bytes, bool special) {
    if (id >= bytes_.size()) {
      bytes_.resize(id + 1);
      special_.resize(id + 1);
    }
    bytes_[id] = std::move(bytes);
    special_[id] = special_[id] || special;
  }

  /// Takes one ill-formed sequence off the text; its bytes are tokens as they
  /// are.
  void encode_invalid(std::string_view& text,
                      std::vector<token_id>& out) const {
    const std::size_t length = first_of_utf8(text).length;
    for (const char c : text.substr(0, length))
      out.push_back(parts_.pairs.of_byte(static_cast<std::uint8_t>(c)));
    text.remove_prefix(length);
  }

  result<void> encode_valid(std::string_view text, bool parse_special,
                            std::vector<token_id>& out) const {
    for (const text_part& raw : parts_.raw_tokens.cut(text, parse_special)) {
      if (raw.token) {
        out.push_back(*raw.token);
        continue;
      }
      std::string normalized;
      if (nfc_ && !is_plainly_nfc(raw.text)) normalized = to_nfc(raw.text);
      BOOST_OUTCOME_TRYV(encode_normalized(
          normalized.empty() ? raw.text : normalized, parse_special, out));
    }
    return success();
  }

  result<void> encode_normalized(std::string_view text, bool parse_special,
                                 std::vector<token_id>& out) const {
    for (const text_part& part :
         parts_.normalized_tokens.cut(text, parse_special)) {
      if (part.token) {
        out.push_back(*part.token);
      } else {
        BOOST_OUTCOME_TRYV(encode_text(part.text, out));
      }
    }
    return success();
  }

  result<void> encode_text(std::string_view text,
                           std::vector<token_id>& out) const {
    return parts_.pieces.cut(text, [&](std::string_view piece) {
      if (!whole_pieces_.empty()) {
        const auto whole = whole_pieces_.find(std::string(piece));
        if (whole != whole_pieces_.end()) return out.push_back(whole->second);
      }
      parts_.pairs.encode(piece, out);
    });
  }

  tokenizer_parts parts_;
  bool nfc_;
  std::vector<token_id> prefix_;
  std::vector<std::string> bytes_;                          // by id
  std::vector<bool> special_;                               // by id
  std::unordered_map<std::string, token_id> whole_pieces_;  // ignore_merges
};

result<byte_pairs> make_pairs(const tokenizer_file& file) {
  byte_pairs::byte_tokens bytes{};
  for (unsigned b = 0; b < bytes.size(); ++b) {
    const auto found =
        file.vocabulary.find(character_of_byte(static_cast<std::uint8_t>(b)));
    if (found == file.vocabulary.end())
      return fail(error_code::unsupported,
                  "model.vocab: no token for the byte " + std::to_string(b) +
                      "; texts with it would not come back");
    bytes[b] = found->second;
  }
  byte_pairs pairs(bytes);
  for (std::uint32_t rank = 0; rank < file.merges.size(); ++rank) {
    const merge_rule& m = file.merges[rank];
    pairs.add_merge(m.left, m.right, rank, m.joined);
  }
  return pairs;
}

result<added_token_finder> make_finder(const tokenizer_file& file,
                                       bool normalized) {
  std::vector<added_token> tokens;
  std::ranges::copy_if(
      file.added, std::back_inserter(tokens),
      [&](const added_token& t) { return t.normalized == normalized; });
  if (normalized && file.nfc)
    for (added_token& t : tokens)
      t.content = to_nfc(t.content);
  return added_token_finder::make(std::move(tokens));
}

result<void> check_prefix(const tokenizer_file& file, const tokenizer& made) {
  for (const token_id id : file.prefix)
    if (made.bytes_of(id).empty())
      return fail(error_code::corrupt,
                  "post_processor: no token has the id " + std::to_string(id));
  return success();
}

result<tokenizer_ptr> build(const tokenizer_file& file) {
  BOOST_OUTCOME_TRY(pairs, make_pairs(file));
  BOOST_OUTCOME_TRY(raw, make_finder(file, false));
  BOOST_OUTCOME_TRY(normalized, make_finder(file, true));
  BOOST_OUTCOME_TRY(pieces, pre_tokenizer::make(file));
  auto made = std::make_shared<const byte_level_tokenizer>(
      tokenizer_parts{std::move(raw), std::move(normalized), std::move(pieces),
                      std::move(pairs)},
      file);
  BOOST_OUTCOME_TRYV(check_prefix(file, *made));
  return tokenizer_ptr(std::move(made));
}

}  // namespace

result<tokenizer_ptr> tokenizer::load(const std::filesystem::path& directory) {
  const auto file = directory / "tokenizer.json";
  const auto vocabulary = directory / "vocab.json";
  const auto merges = directory / "merges.txt";
  std::error_code ignored;
  const bool gpt2 = !std::filesystem::exists(file, ignored) &&
                    std::filesystem::exists(vocabulary, ignored) &&
                    std::filesystem::exists(merges, ignored);
  BOOST_OUTCOME_TRY(read, gpt2 ? read_gpt2_files(vocabulary, merges)
                               : read_tokenizer_file(file));
  auto built = build(read);
  if (!built)
    return within((gpt2 ? vocabulary : file).string(),
                  std::move(built).error());
  return built;
}

}  // namespace lamina

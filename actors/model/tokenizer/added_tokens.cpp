#include "actors/model/tokenizer/added_tokens.hpp"

#include <algorithm>

#include "actors/model/tokenizer/utf8.hpp"

namespace lamina {

namespace {

/// Unicode's White_Space property.
bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::size_t without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    const utf8_step last = last_of_utf8(text);
    if (!is_white_space(last.code_point)) break;
    text.remove_suffix(last.length);
  }
  return text.size();
}

std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const utf8_step step = first_of_utf8(text.substr(at));
    if (!is_white_space(step.code_point)) break;
    at += step.length;
  }
  return at;
}

}  // namespace

result<added_token_finder> added_token_finder::make(
    std::vector<added_token> tokens) {
  BOOST_OUTCOME_TRY(word, expression::compile("\\w"));
  added_token_finder made(std::move(word));
  made.tokens_ = std::move(tokens);
  for (std::uint32_t i = 0; i < made.tokens_.size(); ++i)
    made.insert(i);
  return made;
}

void added_token_finder::insert(std::uint32_t token) {
  const std::string& content = tokens_[token].content;
  begins_[static_cast<unsigned char>(content.front())] = true;
  std::uint32_t at = 0;
  for (const char c : content) {
    auto& children = trie_[at].children;
    const auto found =
        std::ranges::find(children, c, &std::pair<char, std::uint32_t>::first);
    if (found != children.end()) {
      at = found->second;
      continue;
    }
    const auto fresh = static_cast<std::uint32_t>(trie_.size());
    children.emplace_back(c, fresh);
    trie_.emplace_back();  // ends the life of `children`
    at = fresh;
  }
  trie_[at].token = token;
}

const added_token* added_token_finder::longest_at(std::string_view text) const {
  std::optional<std::uint32_t> longest;
  std::uint32_t at = 0;
  for (const char c : text) {
    const auto& children = trie_[at].children;
    const auto found =
        std::ranges::find(children, c, &std::pair<char, std::uint32_t>::first);
    if (found == children.end()) break;
    at = found->second;
    if (trie_[at].token) longest = trie_[at].token;
  }
  return longest ? &tokens_[*longest] : nullptr;
}

bool added_token_finder::is_word(std::string_view character) const {
  const auto found = word_.find_all(character);
  return found && !found.value().empty();
}

bool added_token_finder::touches_word(std::string_view text,
                                      text_range range) const {
  const auto before = text.substr(0, range.begin);
  const auto after = text.substr(range.end);
  if (!before.empty() &&
      is_word(before.substr(before.size() - last_of_utf8(before).length)))
    return true;
  return !after.empty() &&
         is_word(after.substr(0, first_of_utf8(after).length));
}

std::vector<text_part> added_token_finder::cut(std::string_view text,
                                               bool parse_special) const {
  std::vector<text_part> parts;
  std::size_t done = 0;  // bytes before this are in `parts`
  std::size_t at = 0;
  while (at < text.size()) {
    const added_token* token = begins_[static_cast<unsigned char>(text[at])]
                                   ? longest_at(text.substr(at))
                                   : nullptr;
    if (!token) {
      ++at;
      continue;
    }
    text_range match{at, at + token->content.size()};
    at = match.end;
    if (token->special && !parse_special) continue;
    if (token->single_word && touches_word(text, match)) continue;
    if (token->lstrip)
      match.begin =
          std::max(done, without_trailing_space(text.substr(0, match.begin)));
    if (token->rstrip) match.end += leading_space(text.substr(match.end));
    if (match.begin > done)
      parts.push_back({text.substr(done, match.begin - done), {}});
    parts.push_back(
        {text.substr(match.begin, match.end - match.begin), token->id});
    done = match.end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), {}});
  return parts;
}

}  // namespace lamina

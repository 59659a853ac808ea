#include "actors/model/tokenizer/pre_tokenizer.hpp"

namespace lamina {

namespace {

constexpr std::string_view gpt2_words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+)"
    R"(|\s+(?!\S)|\s+)";

struct part {
  text_range range;
  bool match = false;
};

/// Matches and what lies between them, together the whole text.
std::vector<part> parts_of(std::size_t size,
                           const std::vector<text_range>& matches,
                           bool invert) {
  std::vector<part> parts;
  std::size_t at = 0;
  for (const text_range& m : matches) {
    if (m.begin > at) parts.push_back({{at, m.begin}, invert});
    parts.push_back({m, !invert});
    at = m.end;
  }
  if (at < size) parts.push_back({{at, size}, invert});
  return parts;
}

/// Whether a part joins the one before it. Of several matches in a row, only
/// the one next to other text is merged with it.
bool joins_previous(split_behavior behavior, const part& before,
                    const part& now) {
  switch (behavior) {
    case split_behavior::merged_with_previous:
      return now.match && !before.match;
    case split_behavior::merged_with_next:
      return before.match && !now.match;
    case split_behavior::contiguous:
      return before.match == now.match;
    case split_behavior::removed:
    case split_behavior::isolated:
      break;
  }
  return false;
}

}  // namespace

result<pre_tokenizer> pre_tokenizer::make(const tokenizer_file& file) {
  pre_tokenizer made;
  made.add_prefix_space_ = file.add_prefix_space;
  for (const split_step& s : file.splits) {
    BOOST_OUTCOME_TRY(pattern, s.literal ? expression::literal(s.pattern)
                                         : expression::compile(s.pattern));
    made.splits_.push_back({std::move(pattern), s.behavior, s.invert});
  }
  if (file.split_words) {
    BOOST_OUTCOME_TRY(words, expression::compile(gpt2_words));
    made.words_.push_back({std::move(words), split_behavior::isolated, false});
  }
  return made;
}

result<std::vector<std::string_view>> pre_tokenizer::split(
    std::string_view text, const step& by) {
  BOOST_OUTCOME_TRY(matches, by.pattern.find_all(text));
  const auto parts = parts_of(text.size(), matches, by.invert);
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].match && by.behavior == split_behavior::removed) continue;
    const auto [begin, end] = parts[i].range;
    if (i > 0 && joins_previous(by.behavior, parts[i - 1], parts[i])) {
      const auto start =
          static_cast<std::size_t>(pieces.back().data() - text.data());
      pieces.back() = text.substr(start, end - start);
    } else {
      pieces.push_back(text.substr(begin, end - begin));
    }
  }
  return pieces;
}

result<std::vector<std::string_view>> pre_tokenizer::split(
    std::vector<std::string_view> pieces, const std::vector<step>& steps) {
  for (const step& s : steps) {
    std::vector<std::string_view> finer;
    for (const auto piece : pieces) {
      BOOST_OUTCOME_TRY(cut_up, split(piece, s));
      finer.insert(finer.end(), cut_up.begin(), cut_up.end());
    }
    pieces = std::move(finer);
  }
  return pieces;
}

result<void> pre_tokenizer::cut(std::string_view text,
                                const piece_sink& sink) const {
  if (text.empty()) return success();
  BOOST_OUTCOME_TRY(pieces, split({text}, splits_));
  for (const std::string_view piece : pieces) {
    std::string spaced;
    if (add_prefix_space_ && !piece.starts_with(' ')) {
      spaced = ' ';
      spaced += piece;
    }
    BOOST_OUTCOME_TRY(words, split({spaced.empty() ? piece : spaced}, words_));
    for (const auto word : words)
      sink(word);
  }
  return success();
}

}  // namespace lamina

// Finds added tokens ("<|endoftext|>") in a text. Immutable; any thread.
//
// Follows Hugging Face `tokenizers`: at each place the longest content wins,
// then single_word may discard the match, then lstrip and rstrip widen it.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/model/tokenizer/expression.hpp"
#include "actors/model/tokenizer/tokenizer_file.hpp"

namespace lamina {

/// A stretch of text: an added token, or text between them.
struct text_part {
  std::string_view text;
  std::optional<token_id> token;
};

class added_token_finder {
 public:
  /// Contents must not be empty.
  static result<added_token_finder> make(std::vector<added_token> tokens);

  /// The parts of `text` in order, together all of it, none empty. `text` is
  /// well-formed UTF-8. Without `parse_special`, special tokens are text.
  std::vector<text_part> cut(std::string_view text, bool parse_special) const;

 private:
  struct node {
    std::vector<std::pair<char, std::uint32_t>> children;
    std::optional<std::uint32_t> token;  // index of the token that ends here
  };

  explicit added_token_finder(expression word) : word_(std::move(word)) {}
  void insert(std::uint32_t token);
  const added_token* longest_at(std::string_view text) const;
  bool touches_word(std::string_view text, text_range range) const;
  bool is_word(std::string_view character) const;

  std::vector<added_token> tokens_;
  std::vector<node> trie_ = {node{}};
  std::array<bool, 256> begins_{};  // bytes that begin a content
  expression word_;                 // one word character
};

}  // namespace lamina

// Cuts a text into the pieces that byte-pair encoding may not cross.
// Immutable; any thread.
//
// Source: Hugging Face `tokenizers`, pre-tokenizers Split and ByteLevel; the
// expression of ByteLevel is GPT-2's.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "actors/model/tokenizer/expression.hpp"
#include "actors/model/tokenizer/tokenizer_file.hpp"

namespace lamina {

class pre_tokenizer {
 public:
  /// unsupported: an expression that cannot be run faithfully.
  static result<pre_tokenizer> make(const tokenizer_file& file);

  using piece_sink = std::function<void(std::string_view piece)>;

  /// Calls `sink` for each piece in order. `text` is well-formed UTF-8; a
  /// piece lives until `sink` returns. limit_exceeded as `find_all`.
  result<void> cut(std::string_view text, const piece_sink& sink) const;

 private:
  struct step {
    expression pattern;
    split_behavior behavior;
    bool invert;
  };

  static result<std::vector<std::string_view>> split(std::string_view text,
                                                     const step& by);
  static result<std::vector<std::string_view>> split(
      std::vector<std::string_view> pieces, const std::vector<step>& steps);

  std::vector<step> splits_;
  bool add_prefix_space_ = false;
  std::vector<step> words_;  // GPT-2's expression, or none
};

}  // namespace lamina

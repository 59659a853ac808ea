// A regular expression of a tokenizer, run with PCRE2 (UTF and Unicode
// properties, JIT where the machine has it) under step limits. Immutable; any
// thread.
//
// Tokenizers write their expressions for Oniguruma's Ruby syntax. What PCRE2
// would read differently is either rewritten to mean the same (\s, \w, \d,
// script names, \v) or refused as unsupported, so that an expression never
// cuts a text where its author's library would not. Letters, marks, numbers,
// punctuation and symbols that are newer than PCRE2's Unicode 14 are added to
// each property (newer_unicode.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"

namespace lamina {

/// Bytes begin .. end-1 of a text.
struct text_range {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const text_range&, const text_range&) = default;
};

class expression {
 public:
  /// unsupported, with the place in the pattern: a construct that the two
  /// syntaxes read differently, or a pattern that may match nothing.
  static result<expression> compile(std::string_view pattern);

  /// Matches exactly these bytes. invalid_argument when empty.
  static result<expression> literal(std::string_view text);

  /// All matches, leftmost first, none overlapping. `text` is well-formed
  /// UTF-8. limit_exceeded when a match takes more than the step limit.
  result<std::vector<text_range>> find_all(std::string_view text) const;

 private:
  struct compiled;
  explicit expression(std::shared_ptr<const compiled> c)
      : compiled_(std::move(c)) {}
  static result<expression> make(std::string_view pattern,
                                 std::uint32_t options);

  std::shared_ptr<const compiled> compiled_;
};

/// The pattern in PCRE2's syntax, with the same meaning. unsupported when
/// there is none.
result<std::string> translate_expression(std::string_view pattern);

}  // namespace lamina

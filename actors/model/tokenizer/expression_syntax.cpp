// Oniguruma's Ruby syntax to PCRE2's, for the constructs that mean the same or
// can be made to.
#include <array>
#include <cctype>

#include <cstdio>

#include "actors/model/tokenizer/expression.hpp"
#include "actors/model/tokenizer/newer_unicode.hpp"

namespace lamina {

namespace {

// \s and \w follow the Unicode standard, annex 18. PCRE2's own differ: its \s
// has U+180E, its \w lacks marks and connectors.
constexpr std::string_view word_set =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}";

/// Ranges of a set: the newer characters of a category ("L", "Lu").
std::string newer_of(std::string_view category) {
  std::string ranges;
  for (const newer_range& r : newer_ranges)
    if (std::string_view(r.category).starts_with(category)) {
      std::array<char, 32> text{};
      std::snprintf(text.data(), text.size(), "\\x{%X}-\\x{%X}",
                    static_cast<unsigned>(r.first),
                    static_cast<unsigned>(r.last));
      ranges += text.data();
    }
  return ranges;
}

class translator {
 public:
  explicit translator(std::string_view pattern) : in_(pattern) {}

  result<std::string> run() {
    while (at_ < in_.size()) {
      BOOST_OUTCOME_TRYV(next());
    }
    return std::move(out_);
  }

 private:
  bool sees(std::string_view s) const { return in_.substr(at_, s.size()) == s; }

  void copy(std::size_t n) {
    out_ += in_.substr(at_, n);
    at_ += n;
  }

  auto refuse(const std::string& what) const {
    return fail(error_code::unsupported, "the expression " + std::string(in_) +
                                             ", at byte " +
                                             std::to_string(at_) + ": " + what);
  }

  result<void> next() {
    const char c = in_[at_];
    if (c == '*' || c == '+' || c == '?' || c == '{') return quantifier();
    after_quantifier_ = false;
    if (c == '\\') return escape(false);
    if (c == '[') return set();
    if (c == '(') return group();
    copy(1);
    return success();
  }

  result<void> quantifier() {
    if (after_quantifier_) return refuse("a quantifier of a quantifier");
    after_quantifier_ = true;
    if (in_[at_] == '{') return interval();
    copy(1);
    if (sees("?") || sees("+")) copy(1);
    return success();
  }

  /// {n}, {n,} and {n,m}. The two syntaxes disagree about the rest.
  result<void> interval() {
    const std::size_t close = in_.find('}', at_);
    if (close == std::string_view::npos) return refuse("a lone brace");
    const std::string_view body = in_.substr(at_ + 1, close - at_ - 1);
    if (body.empty() || body.front() == ',' ||
        body.find_first_not_of("0123456789,") != std::string_view::npos)
      return refuse("an interval other than {n}, {n,} and {n,m}");
    copy(close - at_ + 1);
    if (sees("?") || sees("+")) return refuse("a mark after an interval");
    return success();
  }

  result<void> group() {
    static constexpr std::array<std::string_view, 8> known{
        "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:"};
    for (const auto opening : known)
      if (sees(opening)) {
        copy(opening.size());
        return success();
      }
    if (sees("(?") || sees("(*")) return refuse("this kind of group");
    copy(1);
    return success();
  }

  result<void> set() {
    copy(sees("[^") ? 2 : 1);
    if (sees("]")) return refuse("a set that begins with ]");
    while (at_ < in_.size() && !sees("]")) {
      if (sees("[")) return refuse("a set within a set");
      if (sees("&&")) return refuse("an intersection of sets");
      if (sees("\\")) {
        BOOST_OUTCOME_TRYV(escape(true));
      } else {
        copy(1);
      }
    }
    if (at_ == in_.size()) return refuse("a set without its end");
    copy(1);
    return success();
  }

  result<void> escape(bool in_set) {
    if (at_ + 1 == in_.size()) return refuse("a lone backslash");
    const char c = in_[at_ + 1];
    if (c == 'p' || c == 'P') return property(in_set);
    if (c == 'x' || c == 'u') return code_point();
    if (c == 'W' && in_set) return refuse("\\W in a set");
    if (!std::isalnum(static_cast<unsigned char>(c))) {
      copy(2);
      return success();
    }
    static const std::string word =
        std::string(word_set) + newer_of("L") + newer_of("M") + newer_of("Nd");
    switch (c) {
      case 's':
        out_ += "\\p{White_Space}";
        break;
      case 'S':
        out_ += "\\P{White_Space}";
        break;
      case 'd':
        out_ += "\\p{Nd}";
        break;
      case 'D':
        out_ += "\\P{Nd}";
        break;
      case 'w':
        out_ += in_set ? word : "[" + word + "]";
        break;
      case 'W':
        out_ += "[^" + word + "]";
        break;
      case 'v':
        out_ += "\\x{B}";
        break;
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        out_ += in_.substr(at_, 2);
        break;
      default:
        return refuse(std::string("the escape \\") + c);
    }
    at_ += 2;
    return success();
  }

  /// \p{L} becomes a set with the characters that PCRE2 does not know; within
  /// a set \P{L} cannot, and stays. PCRE2 takes a bare script name to mean
  /// Script_Extensions, Oniguruma takes it to mean Script.
  result<void> property(bool in_set) {
    const std::size_t close = in_.find('}', at_);
    if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{' ||
        close == std::string_view::npos)
      return refuse("a property without braces");
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    bool negated = in_[at_ + 1] == 'P';
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    for (const char c : name)
      if (!std::isalpha(static_cast<unsigned char>(c)) && c != '_')
        return refuse("a property name with other than letters");
    const bool script =
        name.size() > 2 && name != "Alphabetic" && name != "White_Space";
    const std::string plain = (script ? "{sc:" : "{") + std::string(name) + "}";
    const std::string newer =
        name.empty() || script ? std::string() : newer_of(name);
    if (newer.empty() || (in_set && negated))
      out_ += (negated ? "\\P" : "\\p") + plain;
    else if (in_set)
      out_ += "\\p" + plain + newer;
    else
      out_ += (negated ? "[^\\p" : "[\\p") + plain + newer + "]";
    at_ = close + 1;
    return success();
  }

  /// \x{1F600}, \x41 (below 0x80: beyond that Oniguruma means raw bytes) and
  /// \u1F60.
  result<void> code_point() {
    const bool braced = in_.substr(at_ + 1).starts_with("x{");
    const std::size_t begin = at_ + (braced ? 3 : 2);
    const std::size_t length = braced ? in_.find('}', at_) - begin
                               : in_[at_ + 1] == 'x' ? 2
                                                     : 4;
    const std::string_view digits =
        begin < in_.size() ? in_.substr(begin, length) : std::string_view();
    if (digits.empty() || digits.size() > 6 ||
        (!braced && digits.size() != length) ||
        digits.find_first_not_of("0123456789abcdefABCDEF") !=
            std::string_view::npos)
      return refuse("a code point without its hexadecimal digits");
    if (!braced && length == 2 && digits[0] > '7') return refuse("a raw byte");
    out_ += "\\x{" + std::string(digits) + "}";
    at_ = begin + digits.size() + (braced ? 1 : 0);
    return success();
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  bool after_quantifier_ = false;
};

}  // namespace

result<std::string> translate_expression(std::string_view pattern) {
  return translator(pattern).run();
}

}  // namespace lamina

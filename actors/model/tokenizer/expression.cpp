#include "actors/model/tokenizer/expression.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

namespace lamina {

namespace {

/// Backtracking steps of one match. The expressions in use take a few steps a
/// character; a 4 MB prompt of spaces stays below this.
constexpr std::uint32_t match_steps_max = 50'000'000;

/// Nesting of one match, and the memory for it.
constexpr std::uint32_t match_depth_max = 1'000'000;
constexpr std::uint32_t match_heap_kib_max = 64 * 1024;

struct pcre2_deleter {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_compile_context* p) const {
    pcre2_compile_context_free(p);
  }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};

template <class T>
using pcre2_ptr = std::unique_ptr<T, pcre2_deleter>;

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

const PCRE2_UCHAR* units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

bool is_limit(int code) {
  return code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT ||
         code == PCRE2_ERROR_HEAPLIMIT || code == PCRE2_ERROR_NOMEMORY;
}

}  // namespace

struct expression::compiled {
  pcre2_ptr<pcre2_code> code;
  pcre2_ptr<pcre2_match_context> limits;
};

result<expression> expression::compile(std::string_view pattern) {
  BOOST_OUTCOME_TRY(translated, translate_expression(pattern));
  // Ruby's ^ and $ always mean lines, and its dot excludes only the line feed.
  return make(translated, PCRE2_UCP | PCRE2_MULTILINE);
}

result<expression> expression::literal(std::string_view text) {
  if (text.empty())
    return fail(error_code::invalid_argument, "an empty pattern");
  return make(text, PCRE2_LITERAL);
}

result<expression> expression::make(std::string_view pattern,
                                    std::uint32_t options) {
  auto made = std::make_shared<compiled>();
  const pcre2_ptr<pcre2_compile_context> context(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int code = 0;
  PCRE2_SIZE offset = 0;
  made->code.reset(pcre2_compile(units(pattern), pattern.size(),
                                 PCRE2_UTF | options, &code, &offset,
                                 context.get()));
  if (!made->code)
    return fail(error_code::unsupported,
                "the expression " + std::string(pattern) + ", at byte " +
                    std::to_string(offset) + ": " + message_of(code));
  std::uint32_t matches_empty = 0;
  pcre2_pattern_info(made->code.get(), PCRE2_INFO_MATCHEMPTY, &matches_empty);
  if (matches_empty)
    return fail(
        error_code::unsupported,
        "the expression " + std::string(pattern) + " may match nothing");
  // A machine without JIT runs the interpreter: same matches, slower.
  pcre2_jit_compile(made->code.get(), PCRE2_JIT_COMPLETE);
  made->limits.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(made->limits.get(), match_steps_max);
  pcre2_set_depth_limit(made->limits.get(), match_depth_max);
  pcre2_set_heap_limit(made->limits.get(), match_heap_kib_max);
  return expression(std::move(made));
}

result<std::vector<text_range>> expression::find_all(
    std::string_view text) const {
  std::vector<text_range> found;
  const pcre2_ptr<pcre2_match_data> match(
      pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  const auto run = [&](std::size_t from, std::uint32_t options) {
    // The caller checked the encoding; checking again at each match would
    // make a long text quadratic.
    return pcre2_match(compiled_->code.get(), units(text), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, match.get(),
                       compiled_->limits.get());
  };
  std::size_t at = 0;
  while (at < text.size()) {
    int code = run(at, 0);
    // The interpreter keeps its state on the heap, where there is more room.
    if (code == PCRE2_ERROR_JIT_STACKLIMIT) code = run(at, PCRE2_NO_JIT);
    if (code == PCRE2_ERROR_NOMATCH) break;
    if (is_limit(code))
      return fail(error_code::limit_exceeded,
                  "the tokenizer's expression at byte " + std::to_string(at) +
                      " of the text: " + message_of(code));
    if (code < 0) return fail(error_code::internal, message_of(code));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
    found.push_back({range[0], range[1]});
    at = range[1];
  }
  return found;
}

}  // namespace lamina

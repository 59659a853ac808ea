#include "actors/model/tokenizer/tokenizer.hpp"
#include "actors/model/tokenizer/utf8.hpp"

namespace lamina {

namespace {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

}  // namespace

std::string utf8_stream::push(std::string_view bytes) {
  pending_.append(bytes);
  std::string out;
  out.reserve(pending_.size());
  std::size_t at = 0;
  while (at < pending_.size()) {
    const auto rest = std::string_view(pending_).substr(at);
    const utf8_step step = first_of_utf8(rest);
    if (step.kind == utf8_kind::incomplete) break;
    out += step.kind == utf8_kind::character ? rest.substr(0, step.length)
                                             : replacement_character;
    at += step.length;
  }
  pending_.erase(0, at);
  return out;
}

std::string utf8_stream::finish() {
  if (pending_.empty()) return {};
  pending_.clear();
  return std::string(replacement_character);
}

}  // namespace lamina

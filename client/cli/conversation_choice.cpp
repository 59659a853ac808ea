#include "client/cli/conversation_choice.hpp"

#include <algorithm>
#include <vector>

#include "protocol/id_text.hpp"

namespace lamina::cli {
namespace {

constexpr std::size_t examples_max = 3;

result<std::string> newest(const wire::ConversationsT& known) {
  const auto& all = known.conversations;
  // What others share with you is never meant.
  const auto last = std::max_element(
      all.begin(), all.end(), [](const auto& a, const auto& b) {
        return std::pair(a->yours, a->created_unix_ms) <
               std::pair(b->yours, b->created_unix_ms);
      });
  if (last == all.end() || !(*last)->yours)
    return fail(error_code::not_found, "there are no conversations yet");
  return (*last)->id;
}

result<std::string> ambiguous(std::string_view words,
                              const std::vector<std::string>& matches) {
  std::string sentence = "'" + std::string(words) + "' begins " +
                         std::to_string(matches.size()) + " conversations (";
  for (std::size_t i = 0; i < std::min(matches.size(), examples_max); ++i)
    sentence.append(i == 0 ? "" : ", ").append(matches[i]);
  if (matches.size() > examples_max) sentence += ", ...";
  return fail(error_code::invalid_argument, sentence + "): write more of it");
}

}  // namespace

bool is_whole_id(std::string_view words) {
  return parse_conversation(words).has_value();
}

result<std::string> choose_conversation(std::string_view words,
                                        const wire::ConversationsT& known) {
  if (words == "last") return newest(known);
  if (const auto whole = parse_conversation(words))
    return conversation_text(*whole);
  const auto prefix = canonical_digits(words);
  if (!prefix || prefix->empty() || prefix->size() > conversation_text_size)
    return fail(error_code::invalid_argument,
                "'" + std::string(words) + "' is no conversation's id");
  std::vector<std::string> matches;
  for (const auto& conversation : known.conversations)
    if (conversation->id.starts_with(*prefix))
      matches.push_back(conversation->id);
  if (matches.empty())
    return fail(error_code::not_found,
                "no conversation begins with '" + std::string(words) + "'");
  if (matches.size() > 1) return ambiguous(words, matches);
  return matches.front();
}

}  // namespace lamina::cli

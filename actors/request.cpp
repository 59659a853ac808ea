#include "actors/request.hpp"

namespace lamina {

result<conversation_id> read_conversation(const std::string& text) {
  if (auto id = parse_conversation(text)) return *id;
  return fail(error_code::invalid_argument,
              "'" + text + "' is not a conversation id: 13 characters are");
}

wire::TokenT to_wire(const placed_token& t) {
  wire::TokenT w;
  w.position = t.position;
  w.id = t.token.id;
  w.bytes.assign(t.token.bytes.begin(), t.token.bytes.end());
  w.role = static_cast<std::uint8_t>(t.token.who);
  w.turn = t.token.turn;
  return w;
}

std::string_view to_string(answer_source s) {
  switch (s) {
    case answer_source::memory:
      return "memory";
    case answer_source::disk:
      return "disk";
    case answer_source::recomputed:
      return "recomputed";
  }
  return "unknown";
}

}  // namespace lamina

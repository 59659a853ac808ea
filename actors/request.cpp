#include "actors/request.hpp"

namespace lamina {

result<conversation_id> read_conversation(const std::string& text) {
  if (auto id = parse_conversation(text)) return *id;
  return fail(error_code::invalid_argument,
              "'" + text + "' is not a conversation id: 13 characters are");
}

std::uint64_t chunks_of(const conversation_record& record) {
  return (std::uint64_t{record.positions} + chunk_positions - 1) /
         chunk_positions;
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

wire::ConversationT to_wire(const conversation_record& r,
                            const principal& who) {
  wire::ConversationT w;
  w.id = conversation_text(r.id);
  w.model = r.model;
  w.owner_uid = r.owner_uid;
  w.owner = r.owner_token;
  w.group = r.group;
  w.yours = owns(who, r);
  w.created_unix_ms = r.created_unix_ms;
  w.accessed_unix_ms = r.accessed_unix_ms;
  w.pinned = r.pinned;
  w.state = to_string(r.state);
  w.turns = r.turns;
  w.positions = r.positions;
  if (r.parent != 0) w.parent = conversation_text(r.parent);
  w.forked_at = r.forked_at;
  w.root = to_string(r.root);
  w.preview = r.preview;
  if (r.fingerprint != digest{}) w.fingerprint = to_string(r.fingerprint);
  w.origin = r.origin;
  w.layers = r.shape.layers;
  w.width = r.shape.width;
  w.dtype = static_cast<std::uint8_t>(r.shape.element);
  return w;
}

wire::HoldingT to_wire(const usage& u) {
  wire::HoldingT w;
  w.unique_activation_bytes = u.unique.value_bytes;
  w.unique_lens_bytes = u.unique.lens_bytes;
  w.shared_activation_bytes = u.shared.value_bytes;
  w.shared_lens_bytes = u.shared.lens_bytes;
  w.record_bytes = u.record_bytes;
  w.chunks = u.chunks;
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

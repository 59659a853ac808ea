#include "actors/store/records.hpp"

#include <algorithm>

#include "actors/chunks/little_endian.hpp"

namespace lamina {
namespace {

constexpr std::uint16_t record_version = 1;
/// Of a conversation that has a fingerprint or another origin than the engine.
constexpr std::uint16_t record_version_origin = 2;
/// Of one that belongs to a token, or is shared with a group.
constexpr std::uint16_t record_version_owner = 3;

std::uint16_t version_of(const conversation_record& r) {
  if (!r.owner_token.empty() || !r.group.empty()) return record_version_owner;
  return r.is_brought() || r.fingerprint != digest{} ? record_version_origin
                                                     : record_version;
}

error corrupt(const char* what) {
  return {error_code::corrupt, std::string("record: ") + what};
}

// The version that every record starts with.
result<std::uint16_t> expect_version(byte_reader& in, std::uint16_t newest) {
  const auto version = in.get<std::uint16_t>();
  if (!in.ok() || version == 0) return corrupt("no version");
  if (version > newest)
    return fail(error_code::unsupported_version,
                "record: version " + std::to_string(version) +
                    " is newer than this build's " + std::to_string(newest));
  return version;
}

void put_digest(byte_writer& out, const digest& d) {
  out.put_bytes(std::as_bytes(std::span(d.bytes)));
}

digest get_digest(byte_reader& in) {
  digest d;
  const auto bytes = in.get_bytes(d.bytes.size());
  if (in.ok()) std::memcpy(d.bytes.data(), bytes.data(), bytes.size());
  return d;
}

template <class Enum>
bool known(Enum value) {
  return to_string(value) != "unknown";
}

token_record get_token(byte_reader& in) {
  token_record token;
  token.id = in.get<token_id>();
  token.who = static_cast<role>(in.get<std::uint8_t>());
  token.turn = in.get<std::uint16_t>();
  token.bytes = in.get_text();
  return token;
}

}  // namespace

std::string_view to_string(turn_state s) {
  switch (s) {
    case turn_state::complete:
      return "complete";
    case turn_state::running:
      return "running";
    case turn_state::interrupted:
      return "interrupted";
    case turn_state::cancelled:
      return "cancelled";
    case turn_state::failed:
      return "failed";
  }
  return "unknown";
}

std::string_view to_string(presence p) {
  switch (p) {
    case presence::never_asked:
      return "never_asked";
    case presence::pending:
      return "pending";
    case presence::present:
      return "present";
    case presence::dropped:
      return "dropped";
    case presence::evicted:
      return "evicted";
    case presence::corrupt:
      return "corrupt";
    case presence::on_demand:
      return "on_demand";
  }
  return "unknown";
}

std::vector<std::byte> encode(const conversation_record& r) {
  byte_writer out(100 + r.model.size() + r.preview.size());
  const auto version = version_of(r);
  out.put(version).put(r.id).put(r.owner_uid);
  put_digest(out, r.root);
  out.put(r.shape.layers)
      .put(r.shape.width)
      .put(static_cast<std::uint8_t>(r.shape.element))
      .put(r.created_unix_ms)
      .put(r.accessed_unix_ms)
      .put(static_cast<std::uint8_t>(r.pinned ? 1 : 0))
      .put(static_cast<std::uint8_t>(r.state))
      .put(r.turns)
      .put(r.positions)
      .put(r.parent)
      .put(r.forked_at)
      .put_text(r.model)
      .put_text(r.preview);
  if (version >= record_version_origin) {
    put_digest(out, r.fingerprint);
    out.put_text(r.origin);
  }
  if (version >= record_version_owner)
    out.put_text(r.owner_token).put_text(r.group);
  return out.finish();
}

result<conversation_record> decode_conversation(
    std::span<const std::byte> bytes) {
  byte_reader in(bytes);
  BOOST_OUTCOME_TRY(version, expect_version(in, record_version_owner));
  conversation_record r;
  r.id = in.get<conversation_id>();
  r.owner_uid = in.get<std::uint32_t>();
  r.root = get_digest(in);
  r.shape.layers = in.get<std::uint32_t>();
  r.shape.width = in.get<std::uint32_t>();
  r.shape.element = static_cast<dtype>(in.get<std::uint8_t>());
  r.created_unix_ms = in.get<std::int64_t>();
  r.accessed_unix_ms = in.get<std::int64_t>();
  r.pinned = in.get<std::uint8_t>() != 0;
  r.state = static_cast<turn_state>(in.get<std::uint8_t>());
  r.turns = in.get<std::uint32_t>();
  r.positions = in.get<std::uint32_t>();
  r.parent = in.get<conversation_id>();
  r.forked_at = in.get<position_t>();
  r.model = in.get_text();
  r.preview = in.get_text();
  if (version >= record_version_origin) {
    r.fingerprint = get_digest(in);
    r.origin = in.get_text();
  }
  if (version >= record_version_owner) {
    r.owner_token = in.get_text();
    r.group = in.get_text();
  }
  if (!in.at_end()) return corrupt("a conversation's of the wrong length");
  if (!known(r.shape.element)) return corrupt("unknown dtype");
  if (!known(r.state)) return corrupt("unknown turn state");
  return r;
}

std::vector<std::byte> encode(const chunk_record& r) {
  byte_writer out(24 + 20 * r.tokens.size());
  out.put(record_version);
  put_digest(out, r.name);
  out.put(static_cast<std::uint8_t>(r.full ? 1 : 0));
  for (const presence p : {r.embed, r.resid_post, r.final_norm, r.lens})
    out.put(static_cast<std::uint8_t>(p));
  out.put(static_cast<std::uint8_t>(r.tokens.size()));
  for (const token_record& token : r.tokens)
    out.put(token.id)
        .put(static_cast<std::uint8_t>(token.who))
        .put(token.turn)
        .put_text(token.bytes);
  return out.finish();
}

result<chunk_record> decode_chunk_record(std::span<const std::byte> bytes) {
  byte_reader in(bytes);
  BOOST_OUTCOME_TRYV(expect_version(in, record_version));
  chunk_record r;
  r.name = get_digest(in);
  r.full = in.get<std::uint8_t>() != 0;
  for (presence* p : {&r.embed, &r.resid_post, &r.final_norm, &r.lens}) {
    *p = static_cast<presence>(in.get<std::uint8_t>());
    if (!known(*p)) return corrupt("unknown presence");
  }
  const auto count = in.get<std::uint8_t>();
  if (count < 1 || count > chunk_positions)
    return corrupt("impossible number of tokens in a chunk");
  if (r.full && count != chunk_positions)
    return corrupt("a full chunk with fewer than 16 tokens");
  for (int i = 0; i < count && in.ok(); ++i) {
    r.tokens.push_back(get_token(in));
    if (!known(r.tokens.back().who)) return corrupt("unknown role");
  }
  if (!in.at_end()) return corrupt("a chunk's of the wrong length");
  return r;
}

}  // namespace lamina

#include "protocol/message.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/unpack_budget.hpp"

namespace lamina {
namespace {

auto malformed(std::string sentence) {
  return fail(error_code::malformed_frame, std::move(sentence));
}

// FlatBuffers verifies offsets relative to the buffer, but reads through
// pointers: a buffer that is not aligned must be moved first.
class aligned_bytes {
 public:
  explicit aligned_bytes(std::span<const std::byte> bytes) : bytes_(bytes) {
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0) return;
    copy_.resize((bytes.size() + 7) / 8);
    std::memcpy(copy_.data(), bytes.data(), bytes.size());
    bytes_ = std::as_bytes(std::span(copy_)).first(bytes.size());
  }
  aligned_bytes(const aligned_bytes&) = delete;
  aligned_bytes& operator=(const aligned_bytes&) = delete;

  const std::uint8_t* data() const {
    return reinterpret_cast<const std::uint8_t*>(bytes_.data());
  }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::uint64_t> copy_;
  std::span<const std::byte> bytes_;
};

flatbuffers::Verifier make_verifier(const aligned_bytes& bytes) {
  flatbuffers::Verifier::Options options;
  options.max_depth = limits::message_depth_max;
  options.max_tables = limits::message_tables_max;
  return flatbuffers::Verifier(bytes.data(), bytes.size(), options);
}

// The type of the body, read with as little of the message verified as that
// takes: a type this side does not accept is refused before its contents,
// which could cost the verifier long, are looked at.
result<wire::Body> peek_type(const aligned_bytes& bytes) {
  using flatbuffers::uoffset_t;
  auto verifier = make_verifier(bytes);
  const std::size_t head =
      sizeof(uoffset_t) + flatbuffers::FlatBufferBuilder::kFileIdentifierLength;
  if (bytes.size() < head || !flatbuffers::BufferHasIdentifier(
                                 bytes.data(), wire::MessageIdentifier()))
    return malformed("a control message without the identifier LAM1");
  if (verifier.VerifyOffset(0) == 0)
    return malformed("a control message whose root lies outside of it");
  const auto* root = flatbuffers::GetRoot<flatbuffers::Table>(bytes.data());
  if (!root->VerifyTableStart(verifier) ||
      !root->VerifyField<std::uint8_t>(verifier, wire::Message::VT_BODY_TYPE,
                                       1))
    return malformed("a control message whose root is not a table");
  return static_cast<wire::Body>(
      root->GetField<std::uint8_t>(wire::Message::VT_BODY_TYPE, 0));
}

std::string describe(wire::Body type) {
  const auto name = name_of(type);
  if (name != "unknown") return std::string(name);
  return "unknown (" + std::to_string(static_cast<int>(type)) + ")";
}

}  // namespace

bool may_send(sender from, wire::Body type) {
  // The union lists the first requests, then the first responses, then what
  // was appended (lamina.fbs).
  const bool request =
      (type >= wire::Body::Hello && type <= wire::Body::Cancel) ||
      type == wire::Body::Search || type == wire::Body::PlanCapture ||
      type == wire::Body::BenchCodec || type == wire::Body::ReadLens ||
      (type >= wire::Body::PutConversation &&
       type <= wire::Body::FinishConversation) ||
      type == wire::Body::VerifyCache || type == wire::Body::GetUsage ||
      type == wire::Body::GetConfiguration ||
      type == wire::Body::ShareConversation ||
      (type >= wire::Body::LoadModel && type <= wire::Body::PlanModel);
  const bool response =
      (type >= wire::Body::Welcome && type <= wire::Body::Error) ||
      type == wire::Body::SearchResult || type == wire::Body::Report ||
      type == wire::Body::Brought || type == wire::Body::VerifyResult ||
      type == wire::Body::Usage || type == wire::Body::Configuration;
  switch (from) {
    case sender::client:
      return request;
    case sender::daemon:
      return response;
    case sender::either:
      return request || response;
  }
  return false;
}

result<void> check_request_payload(wire::Body type, std::size_t payload_bytes) {
  if (payload_bytes == 0 || type == wire::Body::PutActivations ||
      type == wire::Body::PutLens)
    return success();
  if (type != wire::Body::Search)
    return malformed("a " + describe(type) + " request with a payload");
  if (payload_bytes > limits::search_payload_bytes_max)
    return fail(error_code::limit_exceeded,
                "a Search's payload of " + std::to_string(payload_bytes) +
                    " bytes is beyond the limit of " +
                    std::to_string(limits::search_payload_bytes_max) +
                    " bytes");
  return success();
}

std::string_view name_of(wire::Body type) {
  if (type > wire::Body::MAX) return "unknown";
  return wire::EnumNameBody(type);
}

result<wire::BodyUnion> decode_control(std::span<const std::byte> control,
                                       sender from) {
  if (control.size() > limits::control_bytes_max)
    return fail(error_code::limit_exceeded,
                "a control message of " + std::to_string(control.size()) +
                    " bytes is beyond the limit of " +
                    std::to_string(limits::control_bytes_max) + " bytes");
  const aligned_bytes bytes(control);
  BOOST_OUTCOME_TRY(type, peek_type(bytes));
  if (!may_send(from, type)) {
    const char* who = from == sender::client   ? " from a client"
                      : from == sender::daemon ? " from a daemon"
                                               : "";
    return malformed("a control message of type " + describe(type) +
                     " is not expected" + who);
  }
  auto verifier = make_verifier(bytes);
  if (!wire::VerifyMessageBuffer(verifier))
    return malformed("a control message of type " + describe(type) +
                     " that fails FlatBuffers' verification");
  const wire::Message* message = wire::GetMessage(bytes.data());
  BOOST_OUTCOME_TRYV(check_unpack_budget(*message));
  wire::BodyUnion body;
  body.value = wire::BodyUnion::UnPack(message->body(), type, nullptr);
  body.type = type;
  return body;
}

result<wire::BodyUnion> decode_request(std::span<const std::byte> control) {
  return decode_control(control, sender::client);
}

result<wire::BodyUnion> decode_response(std::span<const std::byte> control) {
  return decode_control(control, sender::daemon);
}

result<flatbuffers::DetachedBuffer> encode_control(
    const wire::BodyUnion& body) {
  assert(may_send(sender::either, body.type));
  flatbuffers::FlatBufferBuilder builder;
  const auto packed = body.Pack(builder);
  builder.Finish(wire::CreateMessage(builder, body.type, packed),
                 wire::MessageIdentifier());
  if (builder.GetSize() > limits::control_bytes_max)
    return fail(error_code::limit_exceeded,
                "a " + describe(body.type) + " message of " +
                    std::to_string(builder.GetSize()) +
                    " bytes is beyond the limit of " +
                    std::to_string(limits::control_bytes_max) + " bytes");
  return builder.Release();
}

wire::BodyUnion error_body(const error& e) {
  wire::ErrorT native;
  native.code = static_cast<std::uint16_t>(e.code);
  native.name = to_string(e.code);
  native.message = e.context;
  if (e.code == error_code::overloaded)
    native.retry_after_ms =
        e.retry_after_ms != 0 ? e.retry_after_ms : limits::retry_after_ms;
  if (native.message.size() > limits::error_bytes_max) {
    std::size_t end = limits::error_bytes_max;
    // Not inside a UTF-8 character: back over its continuation bytes.
    while (end > 0 && (native.message[end] & 0xc0) == 0x80)
      --end;
    native.message.resize(end);
  }
  return make_body(std::move(native));
}

error error_of(const wire::ErrorT& e) {
  return error{static_cast<error_code>(e.code), e.message, e.retry_after_ms};
}

}  // namespace lamina

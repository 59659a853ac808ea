// Control messages: FlatBuffers bytes to and from the object API of
// lamina.fbs (`wire::GenerateT`, `wire::BodyUnion`, ...).
//
// Bytes from a socket are copied to aligned memory if needed, checked by
// FlatBuffers' verifier under limits.hpp, and unpacked only when the result
// fits memory limits: FlatBuffers may refer to one string many times, so a
// small message can unpack into a huge one. Pure functions; any thread.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstddef>
#include <span>
#include <string>
#include <type_traits>

#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"

namespace lamina {

/// Which messages a side accepts.
enum class sender : std::uint8_t { client, daemon, either };

/// Who may send this message; requests come from clients. NONE and unknown
/// tags come from nobody.
bool may_send(sender from, wire::Body type);

/// malformed_frame for a request with a payload that takes none: Search,
/// PutActivations and PutLens take one. limit_exceeded for too large a one.
result<void> check_request_payload(wire::Body type, std::size_t payload_bytes);

/// "Generate"; "NONE" or "unknown" for what is no message.
std::string_view name_of(wire::Body type);

/// The message in `control` (any alignment; zeros may follow it).
/// malformed_frame: not a FlatBuffer of this schema, wrong file identifier,
/// NONE, an unknown type, or one that this sender may not send.
/// limit_exceeded: unpacked, it would exceed limits.hpp.
result<wire::BodyUnion> decode_control(std::span<const std::byte> control,
                                       sender from = sender::either);

/// What the daemon reads, and what a client reads.
result<wire::BodyUnion> decode_request(std::span<const std::byte> control);
result<wire::BodyUnion> decode_response(std::span<const std::byte> control);

/// The message as bytes, a multiple of 4 of them (a frame pads them to 8).
/// limit_exceeded beyond control_bytes_max. The body must not be NONE.
result<flatbuffers::DetachedBuffer> encode_control(const wire::BodyUnion& body);

/// make_body(wire::PingT{}): the union that holds this message.
template <class T>
wire::BodyUnion make_body(T native) {
  static_assert(!std::is_reference_v<T> && !std::is_const_v<T>);
  static_assert(wire::BodyUnionTraits<T>::enum_value != wire::Body::NONE);
  wire::BodyUnion body;
  body.Set(std::move(native));
  return body;
}

/// The Error message for `e`, its sentence cut to limits::error_bytes_max.
wire::BodyUnion error_body(const error& e);

/// What an Error message says. A code that this build does not know stays as
/// it is (to_string: "unknown").
error error_of(const wire::ErrorT& e);

}  // namespace lamina

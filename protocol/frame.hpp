// Frames: what travels on a connection. A frame is a fixed header, a control
// message (message.hpp) and a payload of raw tensor bytes:
//
//   offset  size  field
//        0     4  magic          "LAMN"
//        4     2  version        1
//        6     1  kind           1 request, 2 response, 3 terminal response
//        7     1  flags          0
//        8     4  request        id, chosen by the client, never reused
//       12     4  control_bytes  > 0, a multiple of 8
//       16     4  payload_bytes  in a request 0, but for Search and Put
//       20     4  crc32c         of bytes 0..19, control and payload
//       24        control, then payload
//
// All integers are little-endian. The control message and the payload begin at
// multiples of 8. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/message.hpp"

namespace lamina {

inline constexpr std::size_t frame_header_bytes = 24;
inline constexpr std::uint32_t frame_magic = 0x4e4d414c;  // "LAMN" as bytes
inline constexpr std::uint16_t protocol_version = 1;

enum class frame_kind : std::uint8_t {
  request = 1,   // client to daemon
  response = 2,  // daemon to client; more of this request follow
  terminal = 3,  // the last response of its request
};

struct frame_header {
  std::uint16_t version = protocol_version;
  frame_kind kind = frame_kind::request;
  std::uint8_t flags = 0;
  std::uint32_t request = 0;
  std::uint32_t control_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t checksum = 0;

  std::size_t body_bytes() const {
    return std::size_t{control_bytes} + payload_bytes;
  }
  friend bool operator==(const frame_header&, const frame_header&) = default;
};

/// Reads the first frame_header_bytes of `bytes`. Everything that can be
/// refused without the body is refused here, before memory is taken for it:
/// malformed_frame (too short, magic, kind, flags, control length),
/// unsupported_version, limit_exceeded (limits.hpp). After an error the stream
/// has lost its frames: answer once, then close. Whether a request may have a
/// payload depends on its message: check_request_payload.
result<frame_header> decode_header(std::span<const std::byte> bytes);

/// Checks `body` (control, then payload) against the header's lengths and
/// checksum: malformed_frame otherwise.
result<void> check_body(const frame_header& header,
                        std::span<const std::byte> body);

/// The same for control and payload that lie apart.
result<void> check_body(const frame_header& header,
                        std::span<const std::byte> control,
                        std::span<const std::byte> payload);

/// A whole frame. The body must not be NONE. limit_exceeded when the control
/// message or the payload outgrows limits.hpp; malformed_frame for a payload in
/// a request that takes none.
result<std::vector<std::byte>> try_encode_frame(
    frame_kind kind, std::uint32_t request, const wire::BodyUnion& body,
    std::span<const std::byte> payload = {});

/// The same without the payload at its end, which is then sent as it lies.
result<std::vector<std::byte>> try_encode_frame_head(
    frame_kind kind, std::uint32_t request, const wire::BodyUnion& body,
    std::span<const std::byte> payload);

/// Bytes that lie where their owner keeps them.
struct shared_bytes {
  std::span<const std::byte> bytes{};
  std::shared_ptr<const void> owner{};
};

/// A frame on its way out, whose payload is sent from where it lies.
struct outgoing_frame {
  std::vector<std::byte> head;  // header and control message
  shared_bytes payload{};

  std::size_t size() const { return head.size() + payload.bytes.size(); }
};
using outgoing_frame_ptr = std::shared_ptr<const outgoing_frame>;

/// As try_encode_frame, for who answers: a response beyond the limits becomes
/// the terminal Error (limit_exceeded) of its request, so that the peer is
/// told. Must not be asked for a request beyond the limits.
std::vector<std::byte> encode_frame(frame_kind kind, std::uint32_t request,
                                    const wire::BodyUnion& body,
                                    std::span<const std::byte> payload = {});

/// The terminal Error of a request.
outgoing_frame_ptr error_frame(std::uint32_t request, const error& why);

/// A whole frame taken apart; both spans point into the given bytes.
struct frame_view {
  frame_header header;
  std::span<const std::byte> control;
  std::span<const std::byte> payload;
};

/// Takes apart exactly one frame that is already in memory (tests, tools).
result<frame_view> decode_frame(std::span<const std::byte> bytes);

}  // namespace lamina

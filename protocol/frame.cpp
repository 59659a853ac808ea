#include "protocol/frame.hpp"

#include <cassert>
#include <cstring>
#include <string>

#include "protocol/crc32c.hpp"
#include "protocol/limits.hpp"
#include "protocol/little_endian.hpp"

namespace lamina {
namespace {

// The checksum lies last in the header and covers what lies before it.
constexpr std::size_t checksum_offset = 20;
static_assert(checksum_offset + 4 == frame_header_bytes);

void write_header(const frame_header& header, std::byte* at) {
  store_little<std::uint32_t>(at, frame_magic);
  store_little<std::uint16_t>(at + 4, header.version);
  store_little<std::uint8_t>(at + 6, static_cast<std::uint8_t>(header.kind));
  store_little<std::uint8_t>(at + 7, header.flags);
  store_little<std::uint32_t>(at + 8, header.request);
  store_little<std::uint32_t>(at + 12, header.control_bytes);
  store_little<std::uint32_t>(at + 16, header.payload_bytes);
  store_little<std::uint32_t>(at + checksum_offset, header.checksum);
}

// So that the payload too begins at a multiple of 8.
std::uint32_t padded(std::uint32_t bytes) {
  return (bytes + 7) & ~7u;
}

auto malformed(std::string sentence) {
  return fail(error_code::malformed_frame, std::move(sentence));
}

auto too_large(std::string_view what, std::size_t bytes, std::size_t limit) {
  return fail(error_code::limit_exceeded, "a frame's " + std::string(what) +
                                              " of " + std::to_string(bytes) +
                                              " bytes is beyond the limit of " +
                                              std::to_string(limit) + " bytes");
}

result<void> check_lengths(const frame_header& header) {
  if (header.control_bytes == 0)
    return malformed("a frame without a control message");
  if (header.control_bytes % 8 != 0)
    return malformed("a control message of " +
                     std::to_string(header.control_bytes) +
                     " bytes: its length must be a multiple of 8");
  if (header.control_bytes > limits::control_bytes_max)
    return too_large("control message", header.control_bytes,
                     limits::control_bytes_max);
  if (header.payload_bytes > limits::payload_bytes_max)
    return too_large("payload", header.payload_bytes,
                     limits::payload_bytes_max);
  if (header.kind == frame_kind::request &&
      header.payload_bytes > limits::request_payload_bytes_max)
    return too_large("payload in a request", header.payload_bytes,
                     limits::request_payload_bytes_max);
  return success();
}

}  // namespace

result<frame_header> decode_header(std::span<const std::byte> bytes) {
  if (bytes.size() < frame_header_bytes)
    return malformed("a frame header of " + std::to_string(bytes.size()) +
                     " bytes: expected " + std::to_string(frame_header_bytes));
  const std::byte* at = bytes.data();
  if (load_little<std::uint32_t>(at) != frame_magic)
    return malformed("a frame that does not begin with LAMN");
  frame_header header;
  header.version = load_little<std::uint16_t>(at + 4);
  if (header.version != protocol_version)
    return fail(error_code::unsupported_version,
                "a frame of version " + std::to_string(header.version) +
                    ": this side speaks version " +
                    std::to_string(protocol_version));
  const auto kind = load_little<std::uint8_t>(at + 6);
  if (kind < static_cast<std::uint8_t>(frame_kind::request) ||
      kind > static_cast<std::uint8_t>(frame_kind::terminal))
    return malformed("a frame of unknown kind " + std::to_string(kind));
  header.kind = static_cast<frame_kind>(kind);
  header.flags = load_little<std::uint8_t>(at + 7);
  if (header.flags != 0)
    return malformed("a frame with unknown flags " +
                     std::to_string(header.flags));
  header.request = load_little<std::uint32_t>(at + 8);
  header.control_bytes = load_little<std::uint32_t>(at + 12);
  header.payload_bytes = load_little<std::uint32_t>(at + 16);
  header.checksum = load_little<std::uint32_t>(at + checksum_offset);
  BOOST_OUTCOME_TRYV(check_lengths(header));
  return header;
}

result<void> check_body(const frame_header& header,
                        std::span<const std::byte> body) {
  return check_body(header, body, {});
}

result<void> check_body(const frame_header& header,
                        std::span<const std::byte> control,
                        std::span<const std::byte> payload) {
  const std::size_t size = control.size() + payload.size();
  if (size != header.body_bytes())
    return malformed("a frame body of " + std::to_string(size) +
                     " bytes: the header announces " +
                     std::to_string(header.body_bytes()));
  std::byte written[frame_header_bytes];
  write_header(header, written);
  const std::uint32_t checksum =
      crc32c(payload, crc32c(control, crc32c({written, checksum_offset})));
  if (checksum != header.checksum)
    return malformed("a frame whose checksum does not match its bytes");
  return success();
}

result<std::vector<std::byte>> try_encode_frame_head(
    frame_kind kind, std::uint32_t request, const wire::BodyUnion& body,
    std::span<const std::byte> payload) {
  // Checked before the cast to 32 bits can hide a larger size.
  if (payload.size() > limits::payload_bytes_max)
    return too_large("payload", payload.size(), limits::payload_bytes_max);
  if (kind == frame_kind::request) {
    BOOST_OUTCOME_TRYV(check_request_payload(body.type, payload.size()));
  }
  BOOST_OUTCOME_TRY(control, encode_control(body));
  frame_header header;
  header.kind = kind;
  header.request = request;
  header.control_bytes = padded(static_cast<std::uint32_t>(control.size()));
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  BOOST_OUTCOME_TRYV(check_lengths(header));

  std::vector<std::byte> head(frame_header_bytes + header.control_bytes);
  std::byte* const after = head.data() + frame_header_bytes;
  std::memcpy(after, control.data(), control.size());
  write_header(header, head.data());
  header.checksum =
      crc32c(payload, crc32c({after, header.control_bytes},
                             crc32c({head.data(), checksum_offset})));
  write_header(header, head.data());
  return head;
}

result<std::vector<std::byte>> try_encode_frame(
    frame_kind kind, std::uint32_t request, const wire::BodyUnion& body,
    std::span<const std::byte> payload) {
  BOOST_OUTCOME_TRY(frame, try_encode_frame_head(kind, request, body, payload));
  frame.insert(frame.end(), payload.begin(), payload.end());
  return std::move(frame);
}

std::vector<std::byte> encode_frame(frame_kind kind, std::uint32_t request,
                                    const wire::BodyUnion& body,
                                    std::span<const std::byte> payload) {
  auto frame = try_encode_frame(kind, request, body, payload);
  if (frame) return std::move(frame).value();
  assert(kind != frame_kind::request && "use try_encode_frame for requests");
  return try_encode_frame(frame_kind::terminal, request,
                          error_body(frame.error()))
      .value();
}

outgoing_frame_ptr error_frame(std::uint32_t request, const error& why) {
  return std::make_shared<const outgoing_frame>(outgoing_frame{
      encode_frame(frame_kind::terminal, request, error_body(why))});
}

result<frame_view> decode_frame(std::span<const std::byte> bytes) {
  BOOST_OUTCOME_TRY(header, decode_header(bytes));
  const auto body = bytes.subspan(frame_header_bytes);
  BOOST_OUTCOME_TRYV(check_body(header, body));
  return frame_view{header, body.first(header.control_bytes),
                    body.subspan(header.control_bytes)};
}

}  // namespace lamina

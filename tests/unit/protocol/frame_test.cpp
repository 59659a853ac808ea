#include "protocol/frame.hpp"

#include <gtest/gtest.h>

#include "protocol/limits.hpp"
#include "protocol/little_endian.hpp"
#include "tests/unit/protocol/samples.hpp"

namespace lamina {
namespace {

using samples::from_hex;
using samples::to_hex;

wire::BodyUnion ping(std::uint64_t payload) {
  wire::PingT native;
  native.payload = payload;
  return make_body(std::move(native));
}

std::vector<std::byte> ping_frame() {
  return encode_frame(frame_kind::request, 2, ping(7));
}

template <class Int>
std::vector<std::byte> with(std::vector<std::byte> frame, std::size_t offset,
                            Int value) {
  store_little<Int>(frame.data() + offset, value);
  return frame;
}

error refusal_of(const std::vector<std::byte>& frame) {
  const auto header = decode_header(frame);
  EXPECT_FALSE(header);
  return header ? error{} : header.error();
}

// The checksums were computed by another implementation.
TEST(Frame, GoldenBytesOfPing) {
  const auto golden = from_hex(
      "4c 41 4d 4e"                // magic: LAMN
      "01 00"                      // version 1
      "01"                         // kind: request
      "00"                         // flags
      "02 00 00 00"                // request 2
      "30 00 00 00"                // control_bytes: 48
      "00 00 00 00"                // payload_bytes
      "d0 72 a1 16"                // crc32c
      "10 00 00 00"                // control: root table at 16
      "4c 41 4d 31"                // file identifier: LAM1
      "08 00 0e 00 07 00 08 00"    // Message's vtable: 2 fields
      "08 00 00 00"                // Message: vtable 8 bytes before
      "00 00 00 02"                // body_type: Ping
      "0c 00 00 00"                // body: 12 bytes on
      "00 00 06 00 0c 00 04 00"    // Ping's vtable: 1 field
      "06 00 00 00"                // Ping: vtable 6 bytes before
      "07 00 00 00 00 00 00 00");  // payload: 7
  EXPECT_EQ(to_hex(ping_frame()), to_hex(golden));
}

TEST(Frame, GoldenBytesOfTerminalResponseWithPayload) {
  const auto golden = from_hex(
      "4c 41 4d 4e"              // magic: LAMN
      "01 00"                    // version 1
      "03"                       // kind: terminal
      "00"                       // flags
      "04 03 02 01"              // request 0x01020304
      "28 00 00 00"              // control_bytes: 40
      "05 00 00 00"              // payload_bytes: 5
      "49 9b 75 98"              // crc32c
      "10 00 00 00"              // control: root table at 16
      "4c 41 4d 31"              // file identifier: LAM1
      "08 00 0c 00 07 00 08 00"  // Message's vtable: 2 fields
      "08 00 00 00"              // Message: vtable 8 bytes before
      "00 00 00 19"              // body_type: Acknowledged (25)
      "08 00 00 00"              // body: 8 bytes on
      "04 00 04 00"              // Acknowledged's vtable: no fields
      "04 00 00 00"              // Acknowledged: vtable 4 bytes before
      "00 00 00 00"              // to a multiple of 8
      "de ad be ef 01");         // payload
  EXPECT_EQ(to_hex(encode_frame(frame_kind::terminal, 0x01020304,
                                make_body(wire::AcknowledgedT{}),
                                from_hex("de ad be ef 01"))),
            to_hex(golden));
}

TEST(Frame, EveryMessageComesBackWithItsPayload) {
  const auto payload = from_hex("00 01 02 03 04");
  for (const auto& body : samples::every_message()) {
    const bool request = may_send(sender::client, body.type);
    const auto frame =
        encode_frame(request ? frame_kind::request : frame_kind::response, 9,
                     body, request ? std::span<const std::byte>{} : payload);
    const auto view = decode_frame(frame);
    ASSERT_TRUE(view) << name_of(body.type);
    EXPECT_EQ(view.value().header.request, 9u);
    EXPECT_EQ(view.value().payload.size(), request ? 0u : payload.size());
    EXPECT_EQ((view.value().payload.data() - frame.data()) % 8, 0);
    const auto back = decode_control(view.value().control);
    ASSERT_TRUE(back) << name_of(body.type) << back.error().context;
    EXPECT_EQ(samples::packed(back.value()), samples::packed(body));
  }
}

TEST(FrameHeader, RefusesWhatDoesNotBeginAFrame) {
  EXPECT_EQ(refusal_of(with<std::uint8_t>(ping_frame(), 0, 'X')).code,
            error_code::malformed_frame);
  auto cut = ping_frame();
  cut.resize(frame_header_bytes - 1);
  EXPECT_EQ(refusal_of(cut).code, error_code::malformed_frame);
  EXPECT_EQ(refusal_of({}).code, error_code::malformed_frame);
}

TEST(FrameHeader, RefusesOtherVersionsBeforeAnythingElse) {
  auto frame = with<std::uint16_t>(ping_frame(), 4, 2);
  frame = with<std::uint8_t>(frame, 6, 77);
  EXPECT_EQ(refusal_of(frame).code, error_code::unsupported_version);
}

TEST(FrameHeader, RefusesUnknownKindsAndFlags) {
  for (const int kind : {0, 4, 255})
    EXPECT_EQ(refusal_of(with<std::uint8_t>(ping_frame(), 6,
                                            static_cast<std::uint8_t>(kind)))
                  .code,
              error_code::malformed_frame);
  EXPECT_EQ(refusal_of(with<std::uint8_t>(ping_frame(), 7, 1)).code,
            error_code::malformed_frame);
}

TEST(FrameHeader, RefusesLengthsBeyondTheLimitsFromTheHeaderAlone) {
  const auto control = limits::control_bytes_max;
  const auto payload = limits::payload_bytes_max;
  // Response headers: payloads in requests have a smaller limit.
  const auto head = with<std::uint8_t>(ping_frame(), 6, 2);
  EXPECT_TRUE(decode_header(with<std::uint32_t>(head, 12, control)));
  EXPECT_EQ(refusal_of(with<std::uint32_t>(head, 12, control + 8)).code,
            error_code::limit_exceeded);
  EXPECT_EQ(refusal_of(with<std::uint32_t>(head, 12, 0xfffffff8)).code,
            error_code::limit_exceeded);
  EXPECT_TRUE(decode_header(with<std::uint32_t>(head, 16, payload)));
  EXPECT_EQ(refusal_of(with<std::uint32_t>(head, 16, payload + 1)).code,
            error_code::limit_exceeded);
  EXPECT_EQ(refusal_of(with<std::uint32_t>(head, 16, 0xffffffff)).code,
            error_code::limit_exceeded);
}

TEST(FrameHeader, RefusesControlLengthsThatNoEncoderWrites) {
  for (const std::uint32_t bytes : {0u, 1u, 12u})
    EXPECT_EQ(refusal_of(with<std::uint32_t>(ping_frame(), 12, bytes)).code,
              error_code::malformed_frame);
}

TEST(FrameHeader, RefusesRequestPayloadsBeyondTheirOwnLimit) {
  const auto most = limits::request_payload_bytes_max;
  EXPECT_TRUE(decode_header(with<std::uint32_t>(ping_frame(), 16, most)));
  EXPECT_EQ(refusal_of(with<std::uint32_t>(ping_frame(), 16, most + 1)).code,
            error_code::limit_exceeded);
}

TEST(EncodeFrame, OnlyFewRequestsMayCarryAPayload) {
  const auto payload = from_hex("00 00 80 3f");
  for (const auto& body : samples::every_message()) {
    if (!may_send(sender::client, body.type)) continue;
    const bool takes = body.type == wire::Body::Search ||
                       body.type == wire::Body::PutActivations ||
                       body.type == wire::Body::PutLens;
    EXPECT_EQ(
        try_encode_frame(frame_kind::request, 1, body, payload).has_value(),
        takes)
        << name_of(body.type);
    EXPECT_EQ(check_request_payload(body.type, 4).has_value(), takes);
    EXPECT_TRUE(check_request_payload(body.type, 0));
  }
}

TEST(EncodeFrame, ASearchHasASmallerLimitThanOtherRequests) {
  const auto most = limits::search_payload_bytes_max;
  EXPECT_TRUE(check_request_payload(wire::Body::Search, most));
  EXPECT_EQ(check_request_payload(wire::Body::Search, most + 1).error().code,
            error_code::limit_exceeded);
  EXPECT_TRUE(check_request_payload(wire::Body::PutActivations, most + 1));
}

TEST(EncodeFrame, HeadAndPayloadApartAreTheSameFrame) {
  const auto payload = from_hex("01 02 03 04 05 06 07 08");
  const auto whole =
      try_encode_frame(frame_kind::response, 5, ping(1), payload).value();
  auto apart =
      try_encode_frame_head(frame_kind::response, 5, ping(1), payload).value();
  const auto header = decode_header(apart).value();
  const auto control = std::span<const std::byte>(apart).subspan(
      frame_header_bytes, header.control_bytes);
  EXPECT_TRUE(check_body(header, control, payload));
  EXPECT_FALSE(
      check_body(header, control, from_hex("01 02 03 04 05 06 07 09")));
  EXPECT_FALSE(check_body(header, control, {}));
  apart.insert(apart.end(), payload.begin(), payload.end());
  EXPECT_EQ(apart, whole);
}

TEST(Frame, EveryFlippedBitIsNoticed) {
  const auto frame = encode_frame(frame_kind::response, 5, ping(1),
                                  from_hex("01 02 03 04 05 06 07 08"));
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    auto flipped = frame;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(decode_frame(flipped)) << "bit " << bit;
  }
}

TEST(Frame, RefusesBodiesOfOtherLengthThanAnnounced) {
  auto frame = ping_frame();
  const auto header = decode_header(frame).value();
  const auto body = std::span(frame).subspan(frame_header_bytes);
  EXPECT_TRUE(check_body(header, body));
  EXPECT_EQ(check_body(header, body.first(8)).error().code,
            error_code::malformed_frame);
}

TEST(EncodeFrame, ResponseBeyondTheLimitsBecomesItsError) {
  wire::StatusT huge;
  huge.json.assign(limits::control_bytes_max, 'x');
  const auto body = make_body(std::move(huge));
  EXPECT_EQ(try_encode_frame(frame_kind::request, 1, body).error().code,
            error_code::limit_exceeded);
  const auto frame = encode_frame(frame_kind::response, 3, body);
  const auto view = decode_frame(frame).value();
  EXPECT_EQ(view.header.kind, frame_kind::terminal);
  EXPECT_EQ(view.header.request, 3u);
  const auto back = decode_control(view.control).value();
  ASSERT_NE(back.AsError(), nullptr);
  EXPECT_EQ(error_of(*back.AsError()).code, error_code::limit_exceeded);
}

TEST(EncodeFrame, PayloadBeyondTheLimitIsRefused) {
  const std::vector<std::byte> payload(limits::payload_bytes_max + 1);
  EXPECT_EQ(try_encode_frame(frame_kind::response, 1,
                             make_body(wire::ActivationsT{}), payload)
                .error()
                .code,
            error_code::limit_exceeded);
}

}  // namespace
}  // namespace lamina

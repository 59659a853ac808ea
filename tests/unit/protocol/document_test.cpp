// docs/protocol.md is what an author of another client reads: what it says of
// codes, messages, limits and bytes is held against the code here.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "protocol/frame.hpp"
#include "protocol/limits.hpp"
#include "tests/unit/protocol/samples.hpp"

namespace lamina {
namespace {

class ProtocolDocument : public testing::Test {
 protected:
  ProtocolDocument() {
    std::ifstream file(LAMINA_SOURCE_DIR "/docs/protocol.md");
    std::stringstream whole;
    whole << file.rdbuf();
    text_ = whole.str();
  }

  bool mentions(const std::string& words) const {
    return text_.find(words) != std::string::npos;
  }

  // The bytes of the `number`-th block fenced as ```hex: on each line, what
  // stands before the `|` of its explanation.
  std::vector<std::byte> hex_block(int number) const {
    constexpr std::string_view fence = "```hex\n";
    std::size_t at = 0;
    for (int i = 0; i <= number; ++i) {
      at = text_.find(fence, at);
      if (at == std::string::npos) return {};
      at += fence.size();
    }
    std::istringstream lines(text_.substr(at, text_.find("```", at) - at));
    std::string digits;
    for (std::string line; std::getline(lines, line);)
      digits += line.substr(0, line.find('|')) + " ";
    return samples::from_hex(digits);
  }

  std::string text_;
};

std::string row(const std::string& first, const std::string& second) {
  return "| `" + first + "` | " + second + " |";
}

TEST_F(ProtocolDocument, ListsEveryErrorCodeWithItsNumber) {
  for (int code = 1; code <= static_cast<int>(error_code::internal); ++code) {
    const std::string name(to_string(static_cast<error_code>(code)));
    EXPECT_TRUE(mentions("| " + std::to_string(code) + " | `" + name + "` |"))
        << name;
  }
}

TEST_F(ProtocolDocument, NamesEveryMessage) {
  for (int type = 1; type <= static_cast<int>(wire::Body::MAX); ++type) {
    const std::string name(name_of(static_cast<wire::Body>(type)));
    EXPECT_TRUE(mentions("`" + name + "`")) << name;
  }
}

TEST_F(ProtocolDocument, GivesTheLimitsThatTheCodeHas) {
  EXPECT_TRUE(mentions(
      row("control_bytes_max", std::to_string(limits::control_bytes_max))));
  EXPECT_TRUE(mentions(
      row("payload_bytes_max", std::to_string(limits::payload_bytes_max))));
  EXPECT_TRUE(mentions(row("stream_payload_bytes",
                           std::to_string(limits::stream_payload_bytes))));
  EXPECT_TRUE(
      mentions(row("requests_per_connection_max",
                   std::to_string(limits::requests_per_connection_max))));
  EXPECT_TRUE(mentions(
      row("inbound_frames_max", std::to_string(limits::inbound_frames_max))));
  EXPECT_TRUE(mentions(
      row("connections_max", std::to_string(limits::connections_max))));
  EXPECT_TRUE(mentions(
      row("handshake_ms_max", std::to_string(limits::handshake_ms_max))));
  EXPECT_TRUE(mentions(
      row("message_depth_max", std::to_string(limits::message_depth_max))));
  EXPECT_TRUE(mentions(
      row("message_tables_max", std::to_string(limits::message_tables_max))));
  EXPECT_TRUE(mentions(
      row("unpacked_bytes_max", std::to_string(limits::unpacked_bytes_max))));
  EXPECT_TRUE(mentions(
      row("error_bytes_max", std::to_string(limits::error_bytes_max))));
  EXPECT_TRUE(
      mentions(row("positions_max", std::to_string(limits::positions_max))));
  EXPECT_TRUE(mentions(
      row("lens_positions_max", std::to_string(limits::lens_positions_max))));
  EXPECT_TRUE(
      mentions(row("lens_top_k_max", std::to_string(limits::lens_top_k_max))));
  EXPECT_TRUE(mentions(
      row("lens_tracked_max", std::to_string(limits::lens_tracked_max))));
  EXPECT_TRUE(mentions(row("lens_tracked_bytes_max",
                           std::to_string(limits::lens_tracked_bytes_max))));
  EXPECT_TRUE(mentions(
      row("stop_strings_max", std::to_string(limits::stop_strings_max))));
  EXPECT_TRUE(
      mentions(row("stop_bytes_max", std::to_string(limits::stop_bytes_max))));
  EXPECT_TRUE(mentions(row("request_payload_bytes_max",
                           std::to_string(limits::request_payload_bytes_max))));
  EXPECT_TRUE(mentions(row("search_payload_bytes_max",
                           std::to_string(limits::search_payload_bytes_max))));
  EXPECT_TRUE(
      mentions(row("payload_in_flight_bytes_max",
                   std::to_string(limits::payload_in_flight_bytes_max))));
  EXPECT_TRUE(mentions(
      row("brought_layers_max", std::to_string(limits::brought_layers_max))));
  EXPECT_TRUE(mentions(
      row("brought_width_max", std::to_string(limits::brought_width_max))));
  EXPECT_TRUE(mentions(row("brought_token_bytes_max",
                           std::to_string(limits::brought_token_bytes_max))));
  EXPECT_TRUE(mentions(row("brought_name_bytes_max",
                           std::to_string(limits::brought_name_bytes_max))));
  EXPECT_TRUE(
      mentions(row("search_top_max", std::to_string(limits::search_top_max))));
  EXPECT_TRUE(mentions(
      row("search_context_max", std::to_string(limits::search_context_max))));
  EXPECT_TRUE(mentions(row("search_context_bytes_max",
                           std::to_string(limits::search_context_bytes_max))));
  EXPECT_TRUE(mentions(row("search_text_bytes_max",
                           std::to_string(limits::search_text_bytes_max))));
  EXPECT_TRUE(mentions(
      row("verify_sample_max", std::to_string(limits::verify_sample_max))));
  EXPECT_TRUE(mentions(row("search_conversations_max",
                           std::to_string(limits::search_conversations_max))));
  EXPECT_TRUE(mentions(
      row("plan_tokens_max", std::to_string(limits::plan_tokens_max))));
  EXPECT_TRUE(mentions(
      row("bench_positions_max", std::to_string(limits::bench_positions_max))));
  EXPECT_TRUE(mentions(
      row("bench_bytes_max", std::to_string(limits::bench_bytes_max))));
}

TEST_F(ProtocolDocument, TranscriptIsWhatTheCodeSends) {
  wire::HelloT hello;
  hello.client = "example 1";
  wire::WelcomeT welcome;
  welcome.server = "laminad 0.1.0";
  welcome.frame_bytes_max =
      limits::control_bytes_max + limits::payload_bytes_max;
  welcome.requests_max = limits::requests_per_connection_max;
  wire::PingT ping;
  ping.payload = 7;
  wire::PongT pong;
  pong.payload = 7;
  const std::vector<std::byte> frames[] = {
      encode_frame(frame_kind::request, 1, make_body(hello)),
      encode_frame(frame_kind::terminal, 1, make_body(welcome)),
      encode_frame(frame_kind::request, 2, make_body(ping)),
      encode_frame(frame_kind::terminal, 2, make_body(pong))};
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(samples::to_hex(hex_block(i)), samples::to_hex(frames[i]))
        << "frame " << i;
}

}  // namespace
}  // namespace lamina

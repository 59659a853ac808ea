// What the client makes of daemons that refuse, vanish or talk nonsense.
#include <gtest/gtest.h>

#include "protocol/limits.hpp"
#include "tests/unit/client/peer.hpp"

namespace lamina {
namespace {

using ClientFailure = ClientTest;

TEST_F(ClientFailure, RefusedHelloGivesTheDaemonsError) {
  const auto connected = client::adopt(play([](peer& other) {
    other.receive();
    other.send(frame_kind::terminal,
               error_body({error_code::unauthenticated, "wrong token"}));
  }));
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error(),
            (error{error_code::unauthenticated, "wrong token"}));
}

TEST_F(ClientFailure, AVersionItDoesNotSpeakIsRefused) {
  const auto connected = client::adopt(play([](peer& other) {
    other.receive();
    wire::WelcomeT welcome;
    welcome.version = 2;
    other.send(frame_kind::terminal, make_body(welcome));
  }));
  EXPECT_EQ(connected.error().code, error_code::unsupported_version);
}

TEST_F(ClientFailure, SilentDaemonIsUnavailableAfterTheHandshakeTime) {
  connect_options options;
  options.handshake_ms_max = 20;
  const auto connected = client::adopt(play([](peer& other) {
                                         other.receive();
                                         other.receive();  // until it hangs up
                                       }),
                                       options);
  EXPECT_EQ(connected.error().code, error_code::unavailable);
}

TEST_F(ClientFailure, NobodyListeningIsUnavailableAndNamesTheAddress) {
  const auto address = parse_endpoint("unix:/nonexistent/lamina.sock").value();
  const auto connected = client::connect(address);
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, error_code::unavailable);
  EXPECT_NE(connected.error().context.find("unix:/nonexistent/lamina.sock"),
            std::string::npos);
}

TEST_F(ClientFailure, HangUpIsUnavailableAndStaysSo) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    other.send(frame_kind::response, make_body(wire::StartedT{}));
    other.hang_up();
  });
  EXPECT_EQ(asking.generate({}).error().code, error_code::unavailable);
  EXPECT_EQ(asking.ping(1).error().code, error_code::unavailable);
}

TEST_F(ClientFailure, RefusedFramingGivesTheDaemonsErrorAndEndsTheConnection) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    other.send_to(0, frame_kind::terminal,
                  error_body({error_code::malformed_frame, "bad checksum"}));
    other.receive();
  });
  EXPECT_EQ(asking.ping(1).error(),
            (error{error_code::malformed_frame, "bad checksum"}));
  EXPECT_EQ(asking.ping(1).error().code, error_code::unavailable);
}

TEST_F(ClientFailure, AnswersThatAreNoFramesEndTheConnection) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    const std::vector<std::byte> noise(100, std::byte{0x55});
    other.send_bytes(noise);
    other.receive();
  });
  const auto answer = asking.ping(1);
  EXPECT_EQ(answer.error().code, error_code::unavailable);
  EXPECT_NE(answer.error().context.find("LAMN"), std::string::npos);
}

TEST_F(ClientFailure, AnswersToAnotherRequestEndTheConnection) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    other.send_to(77, frame_kind::terminal, make_body(wire::PongT{}));
    other.receive();
  });
  EXPECT_EQ(asking.ping(1).error().code, error_code::unavailable);
}

TEST_F(ClientFailure, AnAnswerOfAnotherTypeIsAnErrorOfThisRequestOnly) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    other.send(frame_kind::terminal, make_body(wire::AcknowledgedT{}));
    // No cancel of what has already ended.
    EXPECT_NE(other.receive().AsListModels(), nullptr);
    other.send(frame_kind::terminal, make_body(wire::ModelsT{}));
  });
  EXPECT_EQ(asking.ping(1).error().code, error_code::malformed_frame);
  EXPECT_TRUE(asking.models());
}

TEST_F(ClientFailure, ARequestBeyondTheLimitsIsRefusedBeforeItIsSent) {
  auto& asking = greeted([](peer& other) {
    EXPECT_NE(other.receive().AsListModels(), nullptr);
    other.send(frame_kind::terminal, make_body(wire::ModelsT{}));
  });
  wire::GenerateT request;
  request.prompt.resize(limits::control_bytes_max);
  EXPECT_EQ(asking.generate(request).error().code, error_code::limit_exceeded);
  EXPECT_TRUE(asking.models());
}

}  // namespace
}  // namespace lamina

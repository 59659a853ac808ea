// The client against a peer at the other end of a socket pair, which plays a
// script: what it expects to read, what it answers.
#include "client/cpp/client.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <thread>

#include "protocol/frame.hpp"
#include "protocol/limits.hpp"
#include "tests/unit/client/answers.hpp"

namespace lamina {
namespace {

// The daemon's end. Runs in a thread of its own; blocking reads and writes.
class peer {
 public:
  explicit peer(int socket) : socket_(socket) {}
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;
  ~peer() { hang_up(); }

  void hang_up() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  /// The next request; NONE when the client hung up.
  wire::BodyUnion receive() {
    std::vector<std::byte> frame(frame_header_bytes);
    if (!read(frame.data(), frame.size())) return {};
    const auto header = decode_header(frame).value();
    frame.resize(frame_header_bytes + header.body_bytes());
    if (!read(frame.data() + frame_header_bytes, header.body_bytes()))
      return {};
    request_ = header.request;
    return decode_request(decode_frame(frame).value().control).value();
  }

  std::uint32_t request() const { return request_; }

  void send(frame_kind kind, wire::BodyUnion body,
            std::span<const std::byte> payload = {}) {
    send_to(request_, kind, std::move(body), payload);
  }
  void send_to(std::uint32_t request, frame_kind kind, wire::BodyUnion body,
               std::span<const std::byte> payload = {}) {
    send_bytes(encode_frame(kind, request, body, payload));
  }
  void send_bytes(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto sent =
          ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
  }

  void welcome() {
    ASSERT_NE(receive().AsHello(), nullptr);
    wire::WelcomeT native;
    native.server = "peer";
    send(frame_kind::terminal, make_body(native));
  }

 private:
  bool read(std::byte* into, std::size_t size) {
    return ::recv(socket_, into, size, MSG_WAITALL) ==
           static_cast<ssize_t>(size);
  }

  int socket_;
  std::uint32_t request_ = 0;
};

class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override {
    client_.reset();
    if (thread_.joinable()) thread_.join();
  }

  /// Plays `script` behind a socket whose near end is returned.
  template <class Script>
  int play(Script script) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    thread_ = std::thread([script, far = ends[1]] {
      peer other(far);
      script(other);
    });
    return ends[0];
  }

  /// A client that was welcomed; then `script`.
  template <class Script>
  client& greeted(Script script) {
    auto connected = client::adopt(play([script](peer& other) {
      other.welcome();
      script(other);
    }));
    EXPECT_TRUE(connected);
    client_.emplace(std::move(connected).value());
    return *client_;
  }

  std::optional<client> client_;
  std::thread thread_;
};

wire::TokensT tokens(std::uint32_t position, std::string_view text) {
  wire::TokensT made;
  made.tokens.push_back(answers::token(position, text));
  made.text = text;
  return made;
}

TEST_F(ClientTest, HelloOffersItsVersionAndNameAndKeepsTheWelcome) {
  wire::HelloT heard;
  connect_options options;
  options.name = "test 1";
  options.token = "secret";
  auto connected =
      client::adopt(play([&heard](peer& other) {
                      heard = *other.receive().AsHello();
                      wire::WelcomeT welcome;
                      welcome.server = "peer";
                      welcome.requests_max = 9;
                      other.send(frame_kind::terminal, make_body(welcome));
                    }),
                    options);
  ASSERT_TRUE(connected);
  EXPECT_EQ(connected.value().welcome().server, "peer");
  EXPECT_EQ(connected.value().welcome().requests_max, 9u);
  thread_.join();
  EXPECT_EQ(heard.version_min, 1);
  EXPECT_EQ(heard.version_max, 1);
  EXPECT_EQ(heard.client, "test 1");
  EXPECT_EQ(heard.token, "secret");
}

TEST_F(ClientTest, RefusedHelloGivesTheDaemonsError) {
  const auto connected = client::adopt(play([](peer& other) {
    other.receive();
    other.send(frame_kind::terminal,
               error_body({error_code::unauthenticated, "wrong token"}));
  }));
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error(),
            (error{error_code::unauthenticated, "wrong token"}));
}

TEST_F(ClientTest, AVersionItDoesNotSpeakIsRefused) {
  const auto connected = client::adopt(play([](peer& other) {
    other.receive();
    wire::WelcomeT welcome;
    welcome.version = 2;
    other.send(frame_kind::terminal, make_body(welcome));
  }));
  EXPECT_EQ(connected.error().code, error_code::unsupported_version);
}

TEST_F(ClientTest, SilentDaemonIsUnavailableAfterTheHandshakeTime) {
  connect_options options;
  options.handshake_ms_max = 20;
  const auto connected = client::adopt(play([](peer& other) {
                                         other.receive();
                                         other.receive();  // until it hangs up
                                       }),
                                       options);
  EXPECT_EQ(connected.error().code, error_code::unavailable);
}

TEST_F(ClientTest, NobodyListeningIsUnavailableAndNamesTheAddress) {
  const auto address = parse_endpoint("unix:/nonexistent/lamina.sock").value();
  const auto connected = client::connect(address);
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, error_code::unavailable);
  EXPECT_NE(connected.error().context.find("unix:/nonexistent/lamina.sock"),
            std::string::npos);
}

TEST_F(ClientTest, PingComparesTheNumber) {
  auto& asking = greeted([](peer& other) {
    for (const std::uint64_t extra : {0, 1}) {
      wire::PongT pong;
      pong.payload = other.receive().AsPing()->payload + extra;
      other.send(frame_kind::terminal, make_body(pong));
    }
  });
  EXPECT_TRUE(asking.ping(7));
  EXPECT_FALSE(asking.ping(7));
}

TEST_F(ClientTest, GenerateStreamsInOrderAndEndsWithDone) {
  auto& asking = greeted([](peer& other) {
    const auto body = other.receive();
    EXPECT_EQ(body.AsGenerate()->model, "demo");
    wire::StartedT started;
    started.conversation = "0000000000001";
    other.send(frame_kind::response, make_body(started));
    other.send(frame_kind::response, make_body(tokens(0, "a")));
    other.send(frame_kind::response, make_body(tokens(1, "b")));
    wire::DoneT done;
    done.finish = "length";
    other.send(frame_kind::terminal, make_body(done));
  });
  std::string heard;
  wire::GenerateT request;
  request.model = "demo";
  const auto done = asking.generate(
      request,
      {[&](const wire::StartedT& started) { heard += started.conversation; },
       [&](const wire::TokensT& part) { heard += part.text; }});
  ASSERT_TRUE(done);
  EXPECT_EQ(done.value().finish, "length");
  EXPECT_EQ(heard, "0000000000001ab");
}

TEST_F(ClientTest, ErrorEndsAStreamAndTheConnectionServesOn) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    other.send(frame_kind::response, make_body(wire::StartedT{}));
    other.send(frame_kind::terminal,
               error_body({error_code::unavailable, "the model died"}));
    other.receive();
    other.send(frame_kind::terminal, make_body(wire::ModelsT{}));
  });
  const auto done = asking.generate({});
  EXPECT_EQ(done.error(), (error{error_code::unavailable, "the model died"}));
  EXPECT_TRUE(asking.models());
}

TEST_F(ClientTest, CancelNamesTheRunningRequestAndDoneFollows) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    const auto generate = other.request();
    other.send(frame_kind::response, make_body(wire::StartedT{}));
    const auto cancel = other.receive();
    EXPECT_GT(other.request(), generate);
    ASSERT_NE(cancel.AsCancel(), nullptr);
    EXPECT_EQ(cancel.AsCancel()->request, generate);
    wire::DoneT done;
    done.finish = "cancelled";
    other.send_to(generate, frame_kind::terminal, make_body(done));
  });
  const auto done = asking.generate(
      {}, {[&](const wire::StartedT&) { asking.cancel_running(); }, {}});
  ASSERT_TRUE(done);
  EXPECT_EQ(done.value().finish, "cancelled");
}

TEST_F(ClientTest, CancelFromAnotherThreadWakesTheReader) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    const auto generate = other.request();
    EXPECT_NE(other.receive().AsCancel(), nullptr);
    other.send_to(generate, frame_kind::terminal,
                  error_body({error_code::cancelled, "by the client"}));
  });
  std::atomic<bool> ended = false;
  // Again and again, since the first may come before the request runs.
  std::thread canceller([&] {
    while (!ended)
      asking.cancel_running();
  });
  EXPECT_EQ(asking.generate({}).error().code, error_code::cancelled);
  ended = true;
  canceller.join();
}

TEST_F(ClientTest, ACancelBeforeARequestDoesNotMeanIt) {
  auto& asking = greeted([](peer& other) {
    for (int i = 0; i < 2; ++i) {
      EXPECT_NE(other.receive().AsPing(), nullptr);
      wire::PongT pong;
      pong.payload = 1;
      other.send(frame_kind::terminal, make_body(pong));
    }
  });
  asking.cancel_running();
  EXPECT_TRUE(asking.ping(1));
  EXPECT_TRUE(asking.ping(1));
}

TEST_F(ClientTest, LensMergesItsParts) {
  auto& asking = greeted([](peer& other) {
    EXPECT_EQ(other.receive().AsGetLens()->positions.size(), 2u);
    other.send(frame_kind::response, make_body(answers::lens()));
    auto last = answers::lens();
    last.took_us = 900;
    last.last = true;
    other.send(frame_kind::terminal, make_body(std::move(last)));
  });
  wire::GetLensT request;
  request.positions = {5, 6};
  const auto lens = asking.lens(request);
  ASSERT_TRUE(lens);
  EXPECT_EQ(lens.value().positions.size(), 2u);
  EXPECT_EQ(lens.value().context.size(), 2u);
  EXPECT_EQ(lens.value().took_us, 900u);
}

wire::ActivationsT one_row(position_t position) {
  wire::ActivationsT part;
  part.position_begin = position;
  part.position_end = position + 1;
  part.width = 1;
  part.dtype = 1;
  part.slots.push_back(std::make_unique<wire::ActivationSlotT>());
  part.slots.back()->site = 2;
  return part;
}

TEST_F(ClientTest, ActivationsAreAssembledFromPayloads) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    const std::vector<std::byte> first(4, std::byte{1});
    const std::vector<std::byte> second(4, std::byte{2});
    other.send(frame_kind::response, make_body(one_row(0)), first);
    other.send(frame_kind::terminal, make_body(one_row(1)), second);
  });
  const auto array = asking.activations(wire::GetActivationsT{});
  ASSERT_TRUE(array);
  EXPECT_EQ(array.value().positions(), 2u);
  EXPECT_EQ(array.value().values[0], std::byte{1});
  EXPECT_EQ(array.value().values[4], std::byte{2});
}

TEST_F(ClientTest, AHandlersErrorCancelsAndIsReturned) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    const auto request = other.request();
    const std::vector<std::byte> row(4);
    other.send(frame_kind::response, make_body(one_row(0)), row);
    EXPECT_NE(other.receive().AsCancel(), nullptr);
    // What was on its way already, then the end.
    other.send_to(request, frame_kind::response, make_body(one_row(1)), row);
    other.send_to(request, frame_kind::terminal,
                  error_body({error_code::cancelled, "by the client"}));
  });
  int calls = 0;
  const auto outcome = asking.activations(
      wire::GetActivationsT{},
      [&](const wire::ActivationsT&, std::span<const std::byte>) {
        ++calls;
        return result<void>(fail(error_code::disk_full, "no space here"));
      });
  EXPECT_EQ(outcome.error().code, error_code::disk_full);
  EXPECT_EQ(calls, 1);
}

TEST_F(ClientTest, SimpleRequestsCarryTheirFields) {
  auto& asking = greeted([](peer& other) {
    EXPECT_EQ(other.receive().AsForkConversation()->position, 20u);
    wire::ConversationT fork;
    fork.id = "0000000000002";
    other.send(frame_kind::terminal, make_body(std::move(fork)));
    EXPECT_FALSE(other.receive().AsPinConversation()->pinned);
    other.send(frame_kind::terminal, make_body(wire::ConversationT{}));
    EXPECT_EQ(other.receive().AsDeleteConversation()->conversation, "x");
    other.send(frame_kind::terminal, make_body(wire::AcknowledgedT{}));
    EXPECT_TRUE(other.receive().AsShowConversation()->ledger);
    other.send(frame_kind::terminal, make_body(wire::ConversationT{}));
    EXPECT_EQ(other.receive().AsListConversations()->limit, 5u);
    other.send(frame_kind::terminal, make_body(wire::ConversationsT{}));
    EXPECT_EQ(other.receive().AsAttach()->from_position, 3u);
    other.send(frame_kind::terminal, make_body(wire::DoneT{}));
    EXPECT_NE(other.receive().AsGetStatus(), nullptr);
    wire::StatusT status;
    status.json = "{}";
    other.send(frame_kind::terminal, make_body(status));
  });
  EXPECT_EQ(asking.fork("x", 20).value().id, "0000000000002");
  EXPECT_TRUE(asking.pin("x", false));
  EXPECT_TRUE(asking.remove("x"));
  wire::ShowConversationT show;
  show.ledger = true;
  EXPECT_TRUE(asking.show(show));
  wire::ListConversationsT list;
  list.limit = 5;
  EXPECT_TRUE(asking.conversations(list));
  wire::AttachT attach;
  attach.from_position = 3;
  EXPECT_TRUE(asking.attach(attach));
  EXPECT_EQ(asking.status().value(), "{}");
}

TEST_F(ClientTest, HangUpIsUnavailableAndStaysSo) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    other.send(frame_kind::response, make_body(wire::StartedT{}));
    other.hang_up();
  });
  EXPECT_EQ(asking.generate({}).error().code, error_code::unavailable);
  EXPECT_EQ(asking.ping(1).error().code, error_code::unavailable);
}

TEST_F(ClientTest, RefusedFramingGivesTheDaemonsErrorAndEndsTheConnection) {
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

TEST_F(ClientTest, AnswersThatAreNoFramesEndTheConnection) {
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

TEST_F(ClientTest, AnswersToAnotherRequestEndTheConnection) {
  auto& asking = greeted([](peer& other) {
    other.receive();
    other.send_to(77, frame_kind::terminal, make_body(wire::PongT{}));
    other.receive();
  });
  EXPECT_EQ(asking.ping(1).error().code, error_code::unavailable);
}

TEST_F(ClientTest, AnAnswerOfAnotherTypeIsAnErrorOfThisRequestOnly) {
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

TEST_F(ClientTest, ARequestBeyondTheLimitsIsRefusedBeforeItIsSent) {
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

// What the client asks, and what it makes of good answers.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "tests/unit/client/answers.hpp"
#include "tests/unit/client/peer.hpp"

namespace lamina {
namespace {

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

TEST_F(ClientTest, SearchSendsItsVectorAndReturnsTheLastAnswer) {
  auto& asking = greeted([](peer& other) {
    const auto body = other.receive();
    EXPECT_EQ(body.AsSearch()->layer, 3u);
    ASSERT_EQ(other.payload().size(), 8u);
    float sent[2];
    std::memcpy(sent, other.payload().data(), sizeof sent);
    EXPECT_EQ(sent[0], 0.5f);
    EXPECT_EQ(sent[1], -2.0f);
    wire::SearchResultT found;
    found.found = 1;
    other.send(frame_kind::response, make_body(wire::SearchResultT(found)));
    found.found = 2;
    found.last = true;
    other.send(frame_kind::terminal, make_body(std::move(found)));
  });
  wire::SearchT request;
  request.query = 2;
  request.layer = 3;
  const std::vector<float> vector{0.5f, -2.0f};
  std::vector<std::uint64_t> progress;
  const auto found = asking.search(
      request, vector,
      [&](const wire::SearchResultT& part) { progress.push_back(part.found); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found.value().found, 2u);
  EXPECT_EQ(progress, std::vector<std::uint64_t>{1});
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

TEST_F(ClientTest, ARangeOfTheLensComesPartByPart) {
  auto& asking = greeted([](peer& other) {
    EXPECT_TRUE(other.receive().AsReadLens()->follow);
    other.send(frame_kind::response, make_body(answers::lens()));
    other.send(frame_kind::response, make_body(answers::lens()));
    wire::LensResultT last;
    last.positions_done = 2;
    last.last = true;
    other.send(frame_kind::terminal, make_body(std::move(last)));
  });
  wire::ReadLensT request;
  request.follow = true;
  int parts = 0;
  const auto end =
      asking.read_lens(request, [&](const wire::LensResultT& part) {
        EXPECT_EQ(part.positions.size(), 1u);
        ++parts;
      });
  EXPECT_EQ(parts, 2);
  EXPECT_EQ(end.value().positions_done, 2u);
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

}  // namespace
}  // namespace lamina

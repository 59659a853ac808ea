// What a connection may hold of the daemon's memory when its peer does not
// read, and how long answers are cut.
#include "actors/session.hpp"

#include <cstring>

#include "actors/messages/session.hpp"
#include "protocol/id_text.hpp"
#include "protocol/limits.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/frames.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

/// A socket that takes nothing until it is told to.
class stalled_outbox final : public outbox {
 public:
  void send(outgoing_frame_ptr frame) override {
    frames.push_back(std::move(frame));
  }
  void take_next() override { ++taken; }
  void close() override {}

  std::vector<std::string> errors() const {
    std::vector<std::string> names;
    for (const auto& frame : frames) {
      auto body =
          decode_response(decode_frame(joined(*frame)).value().control).value();
      if (const auto* e = body.AsError()) names.push_back(e->name);
    }
    return names;
  }

  std::vector<outgoing_frame_ptr> frames;
  std::uint32_t taken = 0;
};

class session_test : public actor_test {
 protected:
  session_test() {
    start();
    session_ = spawn_session(*sys_, uid, out_);
    caf::anon_send(top_, follow_views{session_});
    run();
    ask(make_body(wire::HelloT{}));
  }
  ~session_test() override { caf::anon_send(session_, connection_closed{}); }

  void ask(wire::BodyUnion body) {
    caf::anon_send(
        session_,
        frame_received{++newest_request_,
                       std::make_shared<wire::BodyUnion>(std::move(body))});
    run();
  }

  void write_all() {
    caf::anon_send(session_, frames_written{out_->frames.size()});
    run();
  }

  std::shared_ptr<stalled_outbox> out_ = std::make_shared<stalled_outbox>();
  session_actor session_;
  std::uint32_t newest_request_ = 0;
};

using SessionTest = session_test;

class answers_test : public actor_test {
 protected:
  answers_test() {
    start();
    client_->connect(*sys_, top_, uid);
    run();
  }

  peer::answer ask_for(wire::BodyUnion body) {
    const auto request = client_->begin(std::move(body));
    finish();
    return client_->finish(request);
  }

  /// As if written long ago: tokens, and nothing that a model computed.
  conversation_id stored_conversation(
      const std::vector<std::vector<token_record>>& chunks) {
    stop();
    {
      auto env = store::open({.directory = directory_, .map_bytes = map_bytes})
                     .value();
      put_conversation begun;
      begun.record.id = 77;
      begun.record.owner_uid = uid;
      begun.record.model = "tiny";
      begun.record.turns = 1;
      begun.record.shape = {2, 64, dtype::float32};
      std::vector<write_op> ops;
      for (std::uint32_t c = 0; c < chunks.size(); ++c) {
        put_chunk put;
        put.conversation = begun.record.id;
        put.index = c;
        put.record.full = chunks[c].size() == chunk_positions;
        std::memcpy(put.record.name.bytes.data(), &c, sizeof c);
        put.record.tokens = chunks[c];
        begun.record.positions += static_cast<position_t>(chunks[c].size());
        ops.push_back(std::move(put));
      }
      ops.insert(ops.begin(), std::move(begun));
      EXPECT_TRUE(env->commit(ops));
    }
    start();
    client_ = std::make_shared<peer>();
    client_->connect(*sys_, top_, uid);
    run();
    return 77;
  }

  std::shared_ptr<peer> client_ = std::make_shared<peer>();
};

using AnswersTest = answers_test;

TEST_F(SessionTest, ARequestIsInFlightUntilItsLastFrameIsOnTheWire) {
  write_all();
  for (std::uint32_t i = 0; i < limits::requests_per_connection_max; ++i)
    ask(make_body(wire::ListModelsT{}));
  EXPECT_TRUE(out_->errors().empty());
  ask(make_body(wire::ListModelsT{}));
  EXPECT_EQ(out_->errors(), std::vector<std::string>{"overloaded"});
  write_all();
  ask(make_body(wire::ListModelsT{}));
  EXPECT_EQ(out_->errors().size(), 1u);
}

TEST_F(SessionTest, APeerThatLeavesMuchUnreadIsNotReadFrom) {
  complete_turn(turn("hello", 40));
  // A stream, whose second frame waits until the first is written.
  wire::GetActivationsT stream;
  stream.conversation = conversation_text(newest_);
  stream.position_end = 40;
  ask(make_body(std::move(stream)));
  ASSERT_TRUE(out_->errors().empty());
  constexpr std::size_t frame_bytes = 1u << 20;
  const auto frame = std::make_shared<const outgoing_frame>(
      outgoing_frame{std::vector<std::byte>(frame_bytes)});
  for (auto left = limits::unwritten_bytes_max / frame_bytes; left > 0; --left)
    caf::anon_send(session_,
                   send_frame{newest_request_, frame_kind::response, frame});
  run();
  const auto taken = out_->taken;
  ask(make_body(wire::PingT{}));
  EXPECT_EQ(out_->taken, taken);
  write_all();
  EXPECT_EQ(out_->taken, taken + 1);
}

TEST_F(AnswersTest, ALongConversationIsShownInFramesOfBoundedSize) {
  constexpr auto chunks = 2 * limits::frame_tokens_max / chunk_positions + 1;
  wire::ShowConversationT show;
  const std::vector<token_record> chunk(chunk_positions,
                                        {5, role::assistant, 0, "x"});
  show.conversation =
      conversation_text(stored_conversation(std::vector(chunks, chunk)));
  show.ledger = show.usage = true;
  const auto whole = ask_for(make_body(wire::ShowConversationT(show)));
  ASSERT_EQ(whole.bodies.size(), 3u);
  position_t next = 0;
  for (const auto& body : whole.bodies) {
    const auto& part = *body.AsConversation();
    EXPECT_EQ(part.positions, chunks * chunk_positions);
    EXPECT_LE(part.tokens.size(), limits::frame_tokens_max);
    EXPECT_EQ(part.last, &body == &whole.bodies.back());
    EXPECT_EQ(part.ledger.front()->position_begin, next);
    for (const auto& token : part.tokens)
      EXPECT_EQ(token->position, next++);
    EXPECT_EQ(part.ledger.back()->position_end, next);
    for (const auto& entry : part.ledger)
      EXPECT_FALSE(entry->lines.empty());
    EXPECT_EQ(part.holding != nullptr, part.last);
  }
  EXPECT_EQ(next, chunks * chunk_positions);
  show.from_position = 2 * limits::frame_tokens_max + 3;
  const auto rest = ask_for(make_body(wire::ShowConversationT(show)));
  ASSERT_EQ(rest.bodies.size(), 1u);
  EXPECT_EQ(rest.last<wire::ConversationT>()->tokens.front()->position,
            show.from_position);
  show.tokens = show.ledger = show.usage = false;
  const auto bare = ask_for(make_body(wire::ShowConversationT(show)));
  ASSERT_EQ(bare.bodies.size(), 1u);
  EXPECT_TRUE(bare.last<wire::ConversationT>()->tokens.empty());
  EXPECT_EQ(bare.last<wire::ConversationT>()->positions,
            chunks * chunk_positions);
}

TEST_F(AnswersTest, AnEndedTurnHasNoSpecialTokensInItsText) {
  const auto id = stored_conversation(
      {{{5, role::assistant, 0, "x"},
        {2, role::assistant, 0, "</s>"},  // the golden llama's end of text
        {5, role::assistant, 0, "y"}}});
  wire::AttachT attach;
  attach.conversation = conversation_text(id);
  const auto answer = ask_for(make_body(std::move(attach)));
  std::string text;
  std::size_t tokens = 0;
  for (const auto& body : answer.bodies)
    if (const auto* part = body.AsTokens()) {
      text += part->text;
      tokens += part->tokens.size();
    }
  EXPECT_EQ(text, "xy");
  EXPECT_EQ(tokens, 3u);
}

TEST_F(AnswersTest, TheContextOfALensHasALimit) {
  complete_turn(turn("hello", 5));
  wire::GetLensT ask;
  ask.conversation = conversation_text(newest_);
  ask.positions = {1};
  ask.context_size = limits::lens_context_max + 1;
  const auto answer = ask_for(make_body(std::move(ask)));
  ASSERT_NE(answer.last<wire::ErrorT>(), nullptr);
  EXPECT_EQ(answer.last<wire::ErrorT>()->name, "limit_exceeded");
}

}  // namespace
}  // namespace lamina

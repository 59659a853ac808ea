// The whole system on its real threads, without sockets: clients in threads of
// their own generate, attach, look, fork, cancel and delete at once. What is
// asserted holds in any order of events; the sanitiser presets see the rest.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "actors/interfaces.hpp"
#include "actors/messages/message.hpp"
#include "actors/messages/supervisor.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t uid = 1000;

class Threads : public ::testing::Test {
 protected:
  Threads() {
    std::string pattern = testing::TempDir() + "lamina-threads-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    set_spawn_policy({.detach = true});
    // A terabyte of addresses is not always free beside tsan's own.
    constexpr std::uint64_t map_bytes = 1u << 30;
    system_options options;
    options.environment =
        store::open({.directory = directory_, .map_bytes = map_bytes}).value();
    options.models.resize(1);
    options.models[0].model = {"tiny", LAMINA_SOURCE_DIR "/tests/goldens/llama",
                               std::nullopt};
    options.models[0].threads = 1;
    sys_ = std::make_unique<caf::actor_system>(config_);
    top_ = spawn_supervisor(*sys_, options);
  }

  ~Threads() override {
    {
      caf::scoped_actor self(*sys_);
      self->request(top_, caf::infinite, drain_system{5'000})
          .receive(
              [](const acknowledgement& done) { EXPECT_TRUE(done); },
              [](const caf::error& e) { ADD_FAILURE() << caf::to_string(e); });
    }
    top_ = nullptr;
    sys_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::shared_ptr<peer> connect() {
    auto p = std::make_shared<peer>();
    p->connect(*sys_, top_, uid);
    while (p->ask(make_body(wire::ListModelsT{}))
               .last<wire::ModelsT>()
               ->models.front()
               ->health != "up")
      std::this_thread::yield();
    return p;
  }

  std::filesystem::path directory_;
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> sys_;
  supervisor_actor top_;
};

wire::GenerateT turn(lens_mode lens, const std::string& conversation = "",
                     std::uint32_t tokens = 24) {
  constexpr std::string_view prompt = "hello there";
  wire::GenerateT g;
  g.model = "tiny";
  g.conversation = conversation;
  g.prompt.assign(prompt.begin(), prompt.end());
  g.max_new_tokens = tokens;
  g.lens = static_cast<std::uint8_t>(lens);
  g.wait_durable = true;
  return g;
}

std::string text_of(const peer::answer& a) {
  std::string text;
  for (const auto& body : a.bodies)
    if (const auto* tokens = body.AsTokens()) text += tokens->text;
  return text;
}

/// Looks at every position, reads all activations of a conversation and
/// searches them.
void look(peer& p, const std::string& conversation, std::uint32_t positions) {
  wire::GetLensT lens;
  lens.conversation = conversation;
  for (std::uint32_t i = 0; i < positions; ++i)
    lens.positions.push_back(i);
  const auto seen = p.ask(make_body(std::move(lens)));
  std::size_t count = 0;
  for (const auto& body : seen.bodies) {
    ASSERT_EQ(body.type, wire::Body::LensResult);
    count += body.AsLensResult()->positions.size();
  }
  EXPECT_EQ(count, positions);
  wire::GetActivationsT activations;
  activations.conversation = conversation;
  activations.position_end = positions;
  const auto read = p.ask(make_body(std::move(activations)));
  constexpr std::size_t layers = 2;
  constexpr std::size_t width = 64;
  EXPECT_EQ(read.payload_bytes, positions * layers * width * sizeof(float));
  wire::SearchT search;
  search.conversation = conversation;
  search.conversations = {conversation};
  const auto found = p.ask(make_body(std::move(search)));
  ASSERT_NE(found.last<wire::SearchResultT>(), nullptr);
  EXPECT_EQ(found.last<wire::SearchResultT>()->positions_scored, positions - 1);
}

/// One client's life: turns, clicks, a fork, a cancelled turn, a deletion.
void live(peer& p, lens_mode lens, std::string& text, std::string& kept) {
  for (int round = 0; round < 3; ++round) {
    const auto first = p.ask(make_body(turn(lens)));
    const auto* done = first.last<wire::DoneT>();
    ASSERT_NE(done, nullptr);
    EXPECT_TRUE(done->durable) << done->not_durable_because;
    if (round > 0) {
      EXPECT_EQ(text_of(first), text);
    }
    text = text_of(first);
    look(p, done->conversation, done->positions);

    const auto second = p.begin(make_body(turn(lens, done->conversation, 60)));
    wire::CancelT cancel;
    cancel.request = second;
    p.begin(make_body(std::move(cancel)));
    const auto cut = p.finish(second);
    ASSERT_NE(cut.last<wire::DoneT>(), nullptr);
    look(p, done->conversation, cut.last<wire::DoneT>()->positions);

    wire::ForkConversationT fork;
    fork.conversation = done->conversation;
    fork.position = 20;
    const auto forked = p.ask(make_body(std::move(fork)));
    ASSERT_NE(forked.last<wire::ConversationT>(), nullptr);
    wire::DeleteConversationT remove;
    remove.conversation = done->conversation;
    EXPECT_NE(p.ask(make_body(std::move(remove))).last<wire::AcknowledgedT>(),
              nullptr);
    kept = forked.last<wire::ConversationT>()->id;
    look(p, kept, 20);
  }
}

TEST_F(Threads, ManyClientsAtOnceGetWhatOneWouldGet) {
  constexpr std::array modes = {lens_mode::eager, lens_mode::deferred,
                                lens_mode::on_demand, lens_mode::deferred};
  std::array<std::string, modes.size()> texts;
  std::array<std::string, modes.size()> kept;
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < modes.size(); ++i)
    clients.emplace_back([&, i] {
      auto p = connect();
      live(*p, modes[i], texts[i], kept[i]);
      p->disconnect();
    });
  std::atomic<bool> over = false;
  std::thread observer([&] {
    auto p = connect();
    while (!over) {
      EXPECT_NE(p->ask(make_body(wire::GetStatusT{})).last<wire::StatusT>(),
                nullptr);
      EXPECT_NE(p->ask(make_body(wire::ListConversationsT{}))
                    .last<wire::ConversationsT>(),
                nullptr);
      wire::SearchT everywhere;
      everywhere.query = 3;
      everywhere.text = {'h'};
      EXPECT_NE(
          p->ask(make_body(std::move(everywhere))).last<wire::SearchResultT>(),
          nullptr);
    }
    p->disconnect();
  });
  for (auto& client : clients)
    client.join();
  over = true;
  observer.join();
  for (const auto& text : texts)
    EXPECT_EQ(text, texts[0]);
  auto p = connect();
  for (const auto& id : kept)
    look(*p, id, 20);
  p->disconnect();
}

TEST_F(Threads, EveryoneWhoAttachesSeesTheWholeTurn) {
  auto writer = connect();
  auto g = turn(lens_mode::deferred, "", 80);
  const auto writing = writer->begin(make_body(std::move(g)));
  std::string id;
  auto lister = connect();
  while (id.empty()) {
    const auto list = lister->ask(make_body(wire::ListConversationsT{}));
    const auto& all = list.last<wire::ConversationsT>()->conversations;
    if (!all.empty()) id = all.front()->id;
  }
  std::vector<std::thread> watchers;
  std::array<std::string, 4> texts;
  for (auto& text : texts)
    watchers.emplace_back([&] {
      auto p = connect();
      wire::AttachT attach;
      attach.conversation = id;
      text = text_of(p->ask(make_body(std::move(attach))));
      p->disconnect();
    });
  for (auto& watcher : watchers)
    watcher.join();
  const auto written = text_of(writer->finish(writing));
  for (const auto& text : texts)
    EXPECT_EQ(text, written);
  writer->disconnect();
  lister->disconnect();
}

}  // namespace
}  // namespace lamina

// Whose conversations are: Unix users' and tokens', shared with groups, within
// quotas; and what a reload changes of a running system.
#include "actors/principal.hpp"
#include "tests/unit/actors/fixture.hpp"
#include "tests/unit/actors/peer.hpp"

namespace lamina {
namespace {

principal bearer(std::string name, std::vector<std::string> groups = {}) {
  principal who;
  who.token = std::move(name);
  who.scopes.add(scope::read).add(scope::generate);
  who.groups =
      std::make_shared<const std::vector<std::string>>(std::move(groups));
  return who;
}

class owners_test : public actor_test {
 protected:
  template <class Answer, class Question>
  Answer ask_catalog(Question q) {
    return ask<Answer>(view()->catalog, std::move(q));
  }

  /// One of theirs, complete.
  conversation_id conversation_of(const principal& who) {
    auto opened =
        ask_catalog<result<turn_opened>>(open_turn{who, "tiny", 0, turn("x")});
    finish();
    return opened.value().conversation;
  }

  std::size_t listed(const principal& who) {
    return ask_catalog<list_result>(list_conversations{who, "", 0})
        .value()
        .size();
  }

  error_code code_of_show(conversation_id id, const principal& who) {
    const auto shown = ask_catalog<show_result>(show_conversation{who, id});
    return shown ? error_code{} : shown.error().code;
  }

  void reload(const tunables& tuned) {
    caf::anon_send(top_, reconfigure{tuned, nullptr});
    run();
  }

  const principal alice_ = bearer("alice", {"lab", "cats"});
  const principal bob_ = bearer("bob", {"lab"});
};

using OwnersTest = owners_test;

TEST_F(OwnersTest, ATokensConversationIsNotAUids) {
  start();
  const auto id = conversation_of(alice_);
  EXPECT_EQ(code_of_show(id, alice_), error_code{});
  EXPECT_EQ(code_of_show(id, bob_), error_code::not_found);
  EXPECT_EQ(code_of_show(id, principal(nobody_uid)), error_code::not_found);
  EXPECT_EQ(code_of_show(id, principal(0)), error_code::not_found);
  EXPECT_EQ(listed(alice_), 1u);
  EXPECT_EQ(listed(bob_), 0u);
}

TEST_F(OwnersTest, AGroupMayReadAndForkWhatIsShared) {
  start();
  const auto id = conversation_of(alice_);
  ASSERT_TRUE(
      ask_catalog<record_result>(share_conversation{alice_, id, "lab"}));
  EXPECT_EQ(code_of_show(id, bob_), error_code{});
  EXPECT_EQ(listed(bob_), 1u);
  EXPECT_EQ(code_of_show(id, bearer("carol", {"owls"})), error_code::not_found);
  EXPECT_EQ(
      ask_catalog<acknowledgement>(remove_conversation{bob_, id}).error().code,
      error_code::forbidden);
  EXPECT_EQ(
      ask_catalog<record_result>(share_conversation{bob_, id, ""}).error().code,
      error_code::forbidden);
  const auto fork =
      ask_catalog<record_result>(split_conversation{bob_, id, 1}).value();
  EXPECT_EQ(fork.owner_token, "bob");
  EXPECT_EQ(fork.group, "") << "a fork is private";
  EXPECT_EQ(code_of_show(fork.id, alice_), error_code::not_found);
}

TEST_F(OwnersTest, SharingTakesAGroupOfOnesOwnAndCanBeTakenBack) {
  start();
  const auto id = conversation_of(alice_);
  EXPECT_EQ(ask_catalog<record_result>(share_conversation{alice_, id, "owls"})
                .error()
                .code,
            error_code::forbidden);
  ASSERT_TRUE(
      ask_catalog<record_result>(share_conversation{alice_, id, "lab"}));
  ASSERT_TRUE(ask_catalog<record_result>(share_conversation{alice_, id, ""}));
  EXPECT_EQ(code_of_show(id, bob_), error_code::not_found);
}

TEST_F(OwnersTest, OwnerAndGroupOutliveARestart) {
  start();
  const auto id = conversation_of(alice_);
  ASSERT_TRUE(
      ask_catalog<record_result>(share_conversation{alice_, id, "lab"}));
  stop();
  start();
  EXPECT_EQ(code_of_show(id, alice_), error_code{});
  EXPECT_EQ(code_of_show(id, bob_), error_code{});
  EXPECT_EQ(code_of_show(id, bearer("carol")), error_code::not_found);
}

TEST_F(OwnersTest, SharingDuringATurnIsWrittenWithIt) {
  start();
  const auto opened = ask_catalog<result<turn_opened>>(
      open_turn{alice_, "tiny", 0, turn("x", 60)});
  const auto id = opened.value().conversation;
  ASSERT_TRUE(
      ask_catalog<record_result>(share_conversation{alice_, id, "lab"}));
  finish();
  stop();
  start();
  EXPECT_EQ(code_of_show(id, bob_), error_code{});
}

TEST_F(OwnersTest, AQuotaOfConversationsCountsEachOwners) {
  options_.quota.conversations_max = 1;
  start();
  const auto id = conversation_of(alice_);
  const auto second =
      ask_catalog<result<turn_opened>>(open_turn{alice_, "tiny", 0, turn("y")});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, error_code::limit_exceeded);
  EXPECT_EQ(ask_catalog<record_result>(split_conversation{alice_, id, 1})
                .error()
                .code,
            error_code::limit_exceeded);
  EXPECT_TRUE(ask_catalog<result<turn_opened>>(
      open_turn{alice_, "tiny", id, turn("on")}));
  conversation_of(bob_);
  ASSERT_TRUE(ask_catalog<acknowledgement>(remove_conversation{alice_, id}));
  conversation_of(alice_);
}

TEST_F(OwnersTest, AQuotaOfTokensStopsTurns) {
  options_.quota.tokens_max = 5;
  start();
  const auto id = conversation_of(alice_);
  const auto more = ask_catalog<result<turn_opened>>(
      open_turn{alice_, "tiny", id, turn("on")});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, error_code::limit_exceeded);
}

TEST_F(OwnersTest, TurnsAtOnceAreAMatterOfWaiting) {
  options_.quota.turns_max = 1;
  start();
  const auto first = ask_catalog<result<turn_opened>>(
      open_turn{alice_, "tiny", 0, turn("x", 60)});
  ASSERT_TRUE(first);
  const auto second =
      ask_catalog<result<turn_opened>>(open_turn{alice_, "tiny", 0, turn("y")});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, error_code::overloaded);
  EXPECT_TRUE(
      ask_catalog<result<turn_opened>>(open_turn{bob_, "tiny", 0, turn("y")}));
}

TEST_F(OwnersTest, AReloadChangesWhatRuns) {
  start();
  conversation_of(alice_);
  auto tuned = view()->tuned;
  tuned.quota.conversations_max = 1;
  tuned.memory_bytes_max = 4;
  reload(tuned);
  EXPECT_EQ(
      ask_catalog<result<turn_opened>>(open_turn{alice_, "tiny", 0, turn("y")})
          .error()
          .code,
      error_code::limit_exceeded);
  for (const auto& shard : view()->shards)
    EXPECT_EQ(ask<shard_status>(shard, get_shard_status{}).bytes, 0u)
        << "one byte is all that each may have";
}

TEST_F(OwnersTest, ARequestNeedsItsScope) {
  start();
  principal reader = bearer("reader");
  reader.scopes = scope_set{}.add(scope::read);
  auto client = std::make_shared<peer>();
  client->connect(*sys_, top_, reader);
  run();
  wire::GenerateT generate;
  generate.model = "tiny";
  for (auto& body :
       {make_body(std::move(generate)), make_body(wire::GetConfigurationT{})}) {
    const auto request = client->begin(body);
    run();
    EXPECT_EQ(client->finish(request).last<wire::ErrorT>()->name, "forbidden");
  }
  const auto list = client->begin(make_body(wire::ListConversationsT{}));
  run();
  EXPECT_TRUE(client->finish(list).last<wire::ConversationsT>());
  client->disconnect();
  run();
}

TEST_F(OwnersTest, RequestsAreCountedWithTheirErrors) {
  start();
  auto client = std::make_shared<peer>();
  client->connect(*sys_, top_, alice_);
  run();
  wire::ShowConversationT nothing;
  nothing.conversation = "0000000000001";
  client->begin(make_body(std::move(nothing)));
  client->begin(make_body(wire::ListModelsT{}));
  run();
  const auto counted =
      ask<request_statistics>(view()->recorder, get_request_statistics{});
  EXPECT_EQ(counted.latencies.at("ShowConversation").count(), 1u);
  EXPECT_EQ(counted.latencies.at("ListModels").count(), 1u);
  EXPECT_EQ(counted.errors.at("not_found"), 1u);
  EXPECT_EQ(counted.errors.size(), 1u);
  client->disconnect();
  run();
}

TEST(Principal, OnlyRootAndTheDaemonsOwnUserAreAdmins) {
  EXPECT_TRUE(principal(0).scopes.has(scope::admin));
  EXPECT_TRUE(principal(::geteuid()).scopes.has(scope::admin));
  EXPECT_FALSE(principal(12345).scopes.has(scope::admin));
  EXPECT_TRUE(principal(12345).scopes.has(scope::generate));
  EXPECT_TRUE(principal().scopes.empty());
}

TEST(Histogram, CountsUpToAndWithItsBounds) {
  latency_histogram h;
  h.add(250);
  h.add(251);
  h.add(std::uint64_t{1} << 40);
  EXPECT_EQ(h.counts[0], 1u);
  EXPECT_EQ(h.counts[1], 1u);
  EXPECT_EQ(h.counts.back(), 1u);
  EXPECT_EQ(h.count(), 3u);
  EXPECT_EQ(h.sum_us, 501u + (std::uint64_t{1} << 40));
}

}  // namespace
}  // namespace lamina

#include "client/cli/tables.hpp"

#include <gmock/gmock.h>

#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const style plain(false);

TEST(UtcMinute, KnownTimes) {
  EXPECT_EQ(utc_minute(0), "1970-01-01 00:00");
  EXPECT_EQ(utc_minute(1'709'251'199'999), "2024-02-29 23:59");
}

TEST(ConversationsTable, NewestStandsLast) {
  wire::ConversationsT all;
  all.conversations.push_back(answers::conversation("2000000000002", 2000));
  all.conversations.push_back(answers::conversation("1000000000001", 1000));
  all.conversations.front()->preview = "two\nlines";
  const auto text = render_conversations(all, plain, 120);
  EXPECT_LT(text.find("1000000000001"), text.find("2000000000002"));
  EXPECT_THAT(text, HasSubstr("two↵lines"));
}

TEST(ConversationText, CharactersMayLieAcrossTokens) {
  auto conversation = answers::conversation("1000000000001", 0);
  conversation->tokens.push_back(answers::token(0, "Hi \xe2", role::user));
  conversation->tokens.push_back(answers::token(1, "\x82\xac", role::user));
  conversation->tokens.push_back(answers::token(2, " yes"));
  const auto text = render_conversation(*conversation, plain);
  EXPECT_THAT(text, HasSubstr("Hi € yes"));
}

TEST(ConversationText, LedgerIsShownWhereThereIsOne) {
  auto conversation = answers::conversation("1000000000001", 0);
  EXPECT_THAT(render_conversation(*conversation, plain),
              Not(HasSubstr("chunk")));
  conversation->ledger.push_back(std::make_unique<wire::LedgerEntryT>());
  conversation->ledger.back()->position_end = 16;
  conversation->ledger.back()->lens = "on_demand";
  const auto text = render_conversation(*conversation, plain);
  EXPECT_THAT(text, HasSubstr("0:16"));
  EXPECT_THAT(text, HasSubstr("on_demand"));
}

TEST(StatusText, NestsObjectsAndLists) {
  const auto status = nlohmann::ordered_json::parse(
      R"({"up": true, "models": {"demo": {"kv_bytes": 12}}, "names": ["a"],
          "none": []})");
  EXPECT_EQ(render_status(status, plain),
            "up: true\nmodels:\n  demo:\n    kv_bytes: 12\nnames:\n  - a\n"
            "none: []\n");
}

TEST(ModelsTable, NamesWhatRuns) {
  wire::ModelsT models;
  models.models.push_back(std::make_unique<wire::ModelInfoT>());
  auto& model = *models.models.back();
  model.name = "demo";
  model.parameters = 4'200'000;
  model.dtype = 2;
  model.device = "cuda:1";
  model.health = "up";
  const auto text = render_models(models, plain);
  EXPECT_THAT(text, HasSubstr("demo"));
  EXPECT_THAT(text, HasSubstr("4.20 M"));
  EXPECT_THAT(text, HasSubstr("bfloat16"));
  EXPECT_THAT(text, HasSubstr("cuda:1"));
}

TEST(ModelsTable, SaysWhatQuantisedWeightsCost) {
  wire::ModelsT models;
  models.models.push_back(std::make_unique<wire::ModelInfoT>());
  auto& model = *models.models.back();
  model.weights = "stored";
  EXPECT_THAT(render_models(models, plain),
              AllOf(HasSubstr("stored"), Not(HasSubstr("off"))));
  model.weights = "int8";
  model.weight_error = 0.00718f;
  EXPECT_THAT(render_models(models, plain), HasSubstr("int8, 0.72 % off"));
  model.logits_error = 0.0123f;
  EXPECT_THAT(render_models(models, plain),
              HasSubstr("int8, logits 1.2 % off"));
}

TEST(DoneLine, SaysWhyATurnIsNotDurable) {
  turn_record turn;
  turn.done.finish = "length";
  EXPECT_THAT(render_done(turn, plain), Not(HasSubstr("durable")));
  turn.done.not_durable_because = "disk_full: no space";
  EXPECT_THAT(render_done(turn, plain), HasSubstr("not durable: disk_full"));
}

TEST(DoneLine, NamesTheSeedOfASampledTurn) {
  turn_record turn;
  EXPECT_THAT(render_done(turn, plain), Not(HasSubstr("seed")));
  turn.seed = 42;
  EXPECT_THAT(render_done(turn, plain), HasSubstr("seed 42"));
}

}  // namespace
}  // namespace lamina::cli

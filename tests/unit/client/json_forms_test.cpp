#include "client/cli/json_forms.hpp"

#include <gtest/gtest.h>

#include "tests/unit/client/answers.hpp"

namespace lamina::cli {
namespace {

TEST(LensForm, HasTheFieldsThatScriptsRead) {
  const json form = to_json(answers::lens());
  EXPECT_EQ(form.at("conversation"), "0000000000001");
  EXPECT_EQ(form.at("position"), 5);
  EXPECT_EQ(form.at("token").at("text"), " ship");
  EXPECT_EQ(form.at("source"), "disk");
  EXPECT_EQ(form.at("exact"), true);
  EXPECT_EQ(form.at("took_us"), 420);
  EXPECT_EQ(form.at("context").size(), 2u);
  EXPECT_EQ(form.at("context")[0].at("role"), "user");
  const json& layer = form.at("layers").at(1);
  EXPECT_EQ(layer.at("layer"), 0);
  EXPECT_EQ(layer.at("top")[0].at("id"), 7);
  EXPECT_EQ(layer.at("top")[0].at("text"), " sea");
  EXPECT_NEAR(layer.at("top")[0].at("probability").get<float>(), 0.8, 1e-6);
  EXPECT_FLOAT_EQ(layer.at("entropy").get<float>(), 2.5f);
  EXPECT_FLOAT_EQ(layer.at("kl_to_final").get<float>(), 1.25f);
  EXPECT_EQ(layer.at("rank_of_next"), 1);
  EXPECT_NEAR(layer.at("probability_of_next").get<float>(), 0.03, 1e-6);
}

TEST(LensForm, UnknownNextTokenIsNull) {
  const json embed = to_json(answers::lens()).at("layers").at(0);
  EXPECT_TRUE(embed.at("rank_of_next").is_null());
  EXPECT_TRUE(embed.at("probability_of_next").is_null());
}

TEST(TurnForm, HasTheFieldsThatScriptsRead) {
  turn_record turn;
  turn.started.conversation = "0000000000001";
  turn.started.model = "demo";
  turn.tokens.push_back(*answers::token(0, "Hi", role::user));
  turn.tokens.push_back(*answers::token(1, " you"));
  turn.text = " you";
  turn.done.finish = "length";
  turn.done.durable = true;
  turn.done.tokens_per_second = 12.5f;
  turn.done.first_token_ms = 3;
  const json form = to_json(turn);
  EXPECT_EQ(form.at("conversation"), "0000000000001");
  EXPECT_EQ(form.at("tokens").size(), 2u);
  const json& token = form.at("tokens").at(0);
  EXPECT_EQ(token.at("position"), 0);
  EXPECT_EQ(token.at("id"), 100);
  EXPECT_EQ(token.at("text"), "Hi");
  EXPECT_EQ(token.at("role"), "user");
  EXPECT_EQ(form.at("text"), " you");
  EXPECT_EQ(form.at("finish"), "length");
  EXPECT_EQ(form.at("durable"), true);
  EXPECT_EQ(form.at("tokens_per_second"), 12.5);
  EXPECT_EQ(form.at("first_token_ms"), 3.0);
  EXPECT_FALSE(form.contains("not_durable_because"));
}

TEST(TokenForm, HalfACharacterKeepsItsBytesInHexadecimal) {
  const json form = to_json(*answers::token(0, "\xe2\x82"));
  EXPECT_EQ(form.at("text"), "\uFFFD\uFFFD");
  EXPECT_EQ(form.at("bytes"), "e282");
  EXPECT_FALSE(to_json(*answers::token(0, "a")).contains("bytes"));
}

TEST(ConversationForm, ListsHaveNoTokens) {
  wire::ConversationsT all;
  all.conversations.push_back(answers::conversation("0000000000001", 5));
  all.conversations.back()->tokens.push_back(answers::token(0, "a"));
  const json form = to_json(all).at("conversations").at(0);
  EXPECT_EQ(form.at("id"), "0000000000001");
  EXPECT_TRUE(form.at("parent").is_null());
  EXPECT_FALSE(form.contains("tokens"));
  EXPECT_EQ(to_json(*all.conversations.front()).at("tokens").size(), 1u);
}

TEST(ActivationsForm, NamesSlotsAndPositions) {
  const auto form =
      to_json(answers::activations(dtype::bfloat16, std::vector<std::byte>(16)),
              "x.npy");
  EXPECT_EQ(form.at("positions"), json({2, 4}));
  EXPECT_EQ(form.at("slots")[0].at("name"), "embed");
  EXPECT_FALSE(form.at("slots")[0].contains("layer"));
  EXPECT_EQ(form.at("slots")[1].at("name"), "resid_post.5");
  EXPECT_EQ(form.at("slots")[1].at("layer"), 5);
  EXPECT_EQ(form.at("dtype"), "bfloat16");
}

TEST(ErrorForm, HasCodeAndMessage) {
  const json form = to_json(error{error_code::not_found, "no such thing"});
  EXPECT_EQ(form.at("error").at("code"), "not_found");
  EXPECT_EQ(form.at("error").at("message"), "no such thing");
}

TEST(Print, NeverFailsOnBadUtf8) {
  EXPECT_NE(print(json{{"text", "\xff"}}).find("\uFFFD"), std::string::npos);
}

}  // namespace
}  // namespace lamina::cli

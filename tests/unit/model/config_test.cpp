#include "actors/model/checkpoint/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace lamina {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json valid() {
  return {{"model_type", "llama"},    {"hidden_size", 64},
          {"num_hidden_layers", 2},   {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"intermediate_size", 128},
          {"vocab_size", 512},        {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-6}};
}

json with(const char* field, json value) {
  json config = valid();
  config[field] = std::move(value);
  return config;
}

void expect_refused(const json& config, error_code code,
                    const std::string& field) {
  const auto parsed = parse_llama_config(config.dump());
  ASSERT_FALSE(parsed) << config.dump();
  EXPECT_EQ(parsed.error().code, code) << parsed.error().context;
  EXPECT_THAT(parsed.error().context, HasSubstr(field));
}

llama_config accepted(const json& config) {
  const auto parsed = parse_llama_config(config.dump());
  EXPECT_TRUE(parsed) << to_string(parsed.error());
  return parsed.value();
}

TEST(Config, FillsInWhatMayBeAbsent) {
  json config = valid();
  config.erase("num_key_value_heads");
  const auto c = accepted(config);
  EXPECT_EQ(c.kv_heads, 4u);
  EXPECT_EQ(c.head_dim, 16u);
  EXPECT_EQ(c.rope_theta, 10'000);
  EXPECT_FALSE(c.tied_head);
  EXPECT_TRUE(c.end_tokens.empty());
  EXPECT_EQ(accepted(with("head_dim", 32)).head_dim, 32u);
}

TEST(Config, ReadsBothSpellingsOfRope) {
  json older = with("rope_theta", 5e5);
  older["rope_scaling"] = nullptr;
  EXPECT_EQ(accepted(older).rope_theta, 5e5);
  const json newer =
      with("rope_parameters", {{"rope_theta", 5e5}, {"rope_type", "default"}});
  EXPECT_EQ(accepted(newer).rope_theta, 5e5);
  EXPECT_EQ(accepted(newer).rope_text(), "default:500000");
}

TEST(Config, ReadsOneOrManyEndTokens) {
  EXPECT_THAT(accepted(with("eos_token_id", 2)).end_tokens, ElementsAre(2));
  EXPECT_THAT(accepted(with("eos_token_id", {2, 7})).end_tokens,
              ElementsAre(2, 7));
  EXPECT_THAT(parse_end_tokens(R"({"eos_token_id": 5})").value(),
              ElementsAre(5));
  EXPECT_TRUE(parse_end_tokens("{}").value().empty());
  EXPECT_FALSE(parse_end_tokens(R"({"eos_token_id": "x"})"));
}

TEST(Config, UnsupportedFieldsAreNamed) {
  const auto code = error_code::unsupported;
  expect_refused(with("model_type", "mixtral"), code, "model_type");
  expect_refused(with("architectures", {"LlamaForSequenceClassification"}),
                 code, "architectures");
  expect_refused(with("hidden_act", "gelu"), code, "hidden_act");
  expect_refused(with("attention_bias", true), code, "attention_bias");
  expect_refused(with("mlp_bias", true), code, "mlp_bias");
  expect_refused(with("pretraining_tp", 2), code, "pretraining_tp");
  expect_refused(with("partial_rotary_factor", 0.5), code,
                 "partial_rotary_factor");
  expect_refused(with("quantization_config", {{"bits", 4}}), code,
                 "quantization_config");
  expect_refused(with("sliding_window", 16), code, "sliding_window");
  expect_refused(with("rope_scaling", {{"type", "linear"}, {"factor", 2.0}}),
                 code, "rope_scaling.type");
  expect_refused(
      with("rope_parameters", {{"rope_theta", 1e4}, {"rope_type", "yarn"}}),
      code, "rope_parameters.rope_type");
  expect_refused(
      with("rope_parameters", {{"rope_theta", 1e4}, {"factor", 2.0}}), code,
      "rope_parameters.factor");
}

TEST(Config, AbsurdNumbersAreNamed) {
  const auto code = error_code::invalid_argument;
  for (const char* field :
       {"hidden_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "intermediate_size", "vocab_size",
        "max_position_embeddings", "head_dim"})
    for (const json& absurd : {json(0), json(-1), json(1ull << 60), json(2.5),
                               json("x"), json::array(), json(true)})
      expect_refused(with(field, absurd), code, field);
  for (const json& absurd : {json(0), json(-1e-5), json(1e9), json("x")})
    expect_refused(with("rms_norm_eps", absurd), code, "rms_norm_eps");
  expect_refused(with("rope_theta", 0), code, "rope_theta");
  expect_refused(with("rope_scaling", 7), code, "rope_scaling");
  expect_refused(with("rope_parameters", json::object()), code, "rope_theta");
  expect_refused(with("tie_word_embeddings", "yes"), code,
                 "tie_word_embeddings");
  expect_refused(with("num_key_value_heads", 3), code, "num_key_value_heads");
  expect_refused(with("num_attention_heads", 6), code, "num_attention_heads");
  expect_refused(with("head_dim", 15), code, "head_dim");
  expect_refused(with("eos_token_id", -3), code, "eos_token_id");
}

TEST(Config, MissingFieldsAreNamed) {
  const json whole = valid();
  for (const auto& [field, value] : whole.items()) {
    if (field == "num_key_value_heads") continue;
    json config = whole;
    config.erase(field);
    const auto parsed = parse_llama_config(config.dump());
    ASSERT_FALSE(parsed) << field;
    EXPECT_THAT(parsed.error().context, HasSubstr(field));
  }
}

TEST(Config, WhatIsNotJsonIsCorrupt) {
  for (const std::string text :
       {"", "{", "[]", "7", "nonsense", "{\"a\":1e999}"}) {
    const auto parsed = parse_llama_config(text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, error_code::corrupt);
  }
  const auto deep = parse_llama_config(std::string(200'000, '['));
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error().context, HasSubstr("deep"));
}

TEST(Config, MutatedTextGivesCleanResults) {
  const std::string whole = valid().dump();
  std::mt19937 random(11);
  for (int round = 0; round < 2'000; ++round) {
    std::string text = whole;
    text[random() % text.size()] = static_cast<char>(random());
    const auto parsed = parse_llama_config(text);
    if (!parsed) {
      EXPECT_FALSE(parsed.error().context.empty());
    }
  }
}

}  // namespace
}  // namespace lamina

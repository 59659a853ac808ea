#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "actors/model/arch/family.hpp"
#include "actors/model/checkpoint/generation_config.hpp"

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
  const auto parsed = read_outline(config.dump());
  ASSERT_FALSE(parsed) << config.dump();
  EXPECT_EQ(parsed.error().code, code) << parsed.error().context;
  EXPECT_THAT(parsed.error().context, HasSubstr(field));
}

model_outline accepted(const json& config) {
  const auto parsed = read_outline(config.dump());
  EXPECT_TRUE(parsed) << to_string(parsed.error());
  return parsed.value();
}

json gpt2() {
  return {{"model_type", "gpt2"},
          {"n_embd", 64},
          {"n_layer", 2},
          {"n_head", 4},
          {"vocab_size", 512},
          {"n_positions", 128},
          {"layer_norm_epsilon", 1e-5}};
}

json gpt2_with(const char* field, json value) {
  json config = gpt2();
  config[field] = std::move(value);
  return config;
}

TEST(Config, FillsInWhatMayBeAbsent) {
  json config = valid();
  config.erase("num_key_value_heads");
  const auto c = accepted(config);
  EXPECT_EQ(c.family, "llama");
  EXPECT_EQ(c.shape.kv_heads, 4u);
  EXPECT_EQ(c.shape.head_dim, 16u);
  EXPECT_EQ(c.positions, "default:10000");
  EXPECT_TRUE(c.end_tokens.empty());
  EXPECT_EQ(accepted(with("head_dim", 32)).shape.head_dim, 32u);
}

TEST(Config, Gpt2sFieldsHaveTheirOwnNames) {
  const auto c = accepted(gpt2());
  EXPECT_EQ(c.family, "gpt2");
  EXPECT_EQ(c.shape.kv_heads, 4u);
  EXPECT_EQ(c.shape.head_dim, 16u);
  EXPECT_EQ(c.shape.feed_forward, 256u);
  EXPECT_EQ(c.shape.context_length, 128u);
  EXPECT_EQ(c.positions, "learned");
  EXPECT_EQ(accepted(gpt2_with("n_inner", 100)).shape.feed_forward, 100u);
  const auto code = error_code::unsupported;
  expect_refused(gpt2_with("activation_function", "relu"), code,
                 "activation_function");
  expect_refused(gpt2_with("scale_attn_weights", false), code,
                 "scale_attn_weights");
  expect_refused(gpt2_with("scale_attn_by_inverse_layer_idx", true), code,
                 "scale_attn_by_inverse_layer_idx");
  expect_refused(gpt2_with("add_cross_attention", true), code,
                 "add_cross_attention");
  expect_refused(gpt2_with("architectures", {"GPT2ForTokenClassification"}),
                 code, "architectures");
  expect_refused(gpt2_with("n_head", 6), error_code::invalid_argument,
                 "n_head");
}

TEST(Config, AnUnknownFamilyIsToldWhichAreKnown) {
  expect_refused(with("model_type", "mixtral"), error_code::unsupported,
                 "model_type is \"mixtral\", supported are gpt2, llama");
  expect_refused(with("model_type", 7), error_code::unsupported,
                 "model_type is 7");
}

TEST(Config, ReadsOneOrManyEndTokens) {
  EXPECT_THAT(accepted(with("eos_token_id", 2)).end_tokens, ElementsAre(2));
  EXPECT_THAT(accepted(with("eos_token_id", {2, 7})).end_tokens,
              ElementsAre(2, 7));
  const auto ends = [](const char* text) {
    return parse_generation_config(text).value().end_tokens;
  };
  EXPECT_THAT(ends(R"({"eos_token_id": 5})"), ElementsAre(5));
  EXPECT_THAT(ends(R"({"eos_token_id": [5, 9, 3]})"), ElementsAre(5, 9, 3));
  EXPECT_TRUE(ends("{}").empty());
  EXPECT_FALSE(parse_generation_config(R"({"eos_token_id": "x"})"));
}

TEST(Config, SamplingIsWhatTheModelsAuthorsAskFor) {
  const auto sampling = [](const char* text) {
    return parse_generation_config(text).value().sampling;
  };
  const auto greedy = sampling(R"({"temperature": 0.6, "top_k": 7})");
  EXPECT_EQ(greedy.temperature, 0);
  EXPECT_EQ(greedy.top_k, 0u);
  const auto usual = sampling(R"({"do_sample": true})");
  EXPECT_EQ(usual.temperature, 1);
  EXPECT_EQ(usual.top_k, 50u);
  EXPECT_EQ(usual.top_p, 1);
  const auto given = sampling(
      R"({"do_sample": true, "temperature": 0.6, "top_k": 0, "top_p": 0.9})");
  EXPECT_FLOAT_EQ(given.temperature, 0.6f);
  EXPECT_EQ(given.top_k, 0u);
  EXPECT_FLOAT_EQ(given.top_p, 0.9f);
  for (const char* absurd :
       {R"({"do_sample": true, "temperature": -1})",
        R"({"do_sample": true, "top_p": 2})",
        R"({"do_sample": true, "top_k": "x"})", R"({"do_sample": 1})"})
    EXPECT_FALSE(parse_generation_config(absurd)) << absurd;
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
    const auto parsed = read_outline(config.dump());
    ASSERT_FALSE(parsed) << field;
    EXPECT_THAT(parsed.error().context, HasSubstr(field));
  }
}

TEST(Config, WhatIsNotJsonIsCorrupt) {
  for (const std::string text :
       {"", "{", "[]", "7", "nonsense", "{\"a\":1e999}"}) {
    const auto parsed = read_outline(text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, error_code::corrupt);
  }
  const auto deep = read_outline(std::string(200'000, '['));
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error().context, HasSubstr("deep"));
}

TEST(Config, MutatedTextGivesCleanResults) {
  const std::string whole = valid().dump();
  std::mt19937 random(11);
  for (int round = 0; round < 2'000; ++round) {
    std::string text = whole;
    text[random() % text.size()] = static_cast<char>(random());
    const auto parsed = read_outline(text);
    if (!parsed) {
      EXPECT_FALSE(parsed.error().context.empty());
    }
  }
}

}  // namespace
}  // namespace lamina

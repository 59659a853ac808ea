#include "actors/model/checkpoint/rope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace lamina {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

rope_settings accepted(const json& config) {
  const auto read = read_rope(config);
  EXPECT_TRUE(read) << to_string(read.error());
  return read ? read.value() : rope_settings{};
}

void expect_refused(const json& config, error_code code,
                    const std::string& part) {
  const auto read = read_rope(config);
  ASSERT_FALSE(read) << config.dump();
  EXPECT_EQ(read.error().code, code) << read.error().context;
  EXPECT_THAT(read.error().context, HasSubstr(part));
}

json llama3() {
  return {{"rope_type", "llama3"},
          {"factor", 8.0},
          {"low_freq_factor", 1.0},
          {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", 8192u}};
}

json llama3_with(const char* field, json value) {
  json rope = llama3();
  rope[field] = std::move(value);
  return rope;
}

TEST(Rope, BothSpellingsMeanTheSame) {
  json newer = llama3();
  newer["rope_theta"] = 5e5;
  const auto by_parameters =
      accepted(json::object({{"rope_parameters", newer}}));
  const auto by_scaling =
      accepted(json::object({{"rope_theta", 5e5}, {"rope_scaling", llama3()}}));
  EXPECT_EQ(by_parameters, by_scaling);
  EXPECT_EQ(by_parameters.text(), "llama3:500000:8:1:4:8192");

  const auto plain = accepted(json::object(
      {{"rope_parameters", {{"rope_theta", 5e5}, {"rope_type", "default"}}}}));
  EXPECT_EQ(
      plain,
      accepted(json::object({{"rope_theta", 5e5}, {"rope_scaling", nullptr}})));
  EXPECT_EQ(plain.text(), "default:500000");
  EXPECT_EQ(accepted(json::object()).text(), "default:10000");
}

TEST(Rope, TheOlderNameOfTheKindIsRead) {
  json rope = llama3();
  rope.erase("rope_type");
  rope["type"] = "llama3";
  EXPECT_EQ(accepted(json::object({{"rope_scaling", rope}})),
            accepted(json::object({{"rope_scaling", llama3()}})));
}

TEST(Rope, ThetaMayStandBesideItsParameters) {
  EXPECT_EQ(accepted(json::object(
                         {{"rope_theta", 5e5}, {"rope_parameters", llama3()}}))
                .theta,
            5e5);
}

TEST(Rope, SpellingsAtOddsAreRefused) {
  json other = llama3_with("factor", 32.0);
  other["rope_theta"] = 1e4;
  expect_refused(
      json::object({{"rope_scaling", llama3()}, {"rope_parameters", other}}),
      error_code::invalid_argument, "say different things");
}

TEST(Rope, UnknownKindsAreRefusedByName) {
  const auto code = error_code::unsupported;
  for (const char* kind : {"linear", "dynamic", "yarn", "longrope", "mrope"}) {
    expect_refused(
        json::object({{"rope_scaling", {{"type", kind}, {"factor", 2.0}}}}),
        code, "rope_scaling.type is \"" + std::string(kind));
    expect_refused(json::object({{"rope_parameters",
                                  {{"rope_theta", 1e4}, {"rope_type", kind}}}}),
                   code, "rope_parameters.rope_type is \"" + std::string(kind));
  }
  expect_refused(json::object({{"rope_scaling", {{"rope_type", 3}}}}), code,
                 "is 3");
}

TEST(Rope, UnknownFieldsAreNamed) {
  const auto code = error_code::unsupported;
  expect_refused(json::object({{"rope_parameters",
                                {{"rope_theta", 1e4}, {"factor", 2.0}}}}),
                 code, "rope_parameters.factor");
  expect_refused(json::object({{"rope_scaling", llama3_with("mscale", 1.0)}}),
                 code, "rope_scaling.mscale");
  expect_refused(
      json::object({{"rope_theta", 1e4},
                    {"rope_parameters",
                     {{"full_attention", {{"rope_theta", 1e6}}},
                      {"sliding_attention", {{"rope_theta", 1e4}}}}}}),
      code, "rope_parameters.full_attention");
}

TEST(Rope, AbsurdNumbersAreNamed) {
  const auto code = error_code::invalid_argument;
  expect_refused(json::object({{"rope_theta", 0}}), code, "rope_theta");
  expect_refused(json::object({{"rope_theta", "x"}}), code, "rope_theta");
  expect_refused(json::object({{"rope_scaling", 7}}), code, "rope_scaling");
  expect_refused(json::object({{"rope_parameters", json::object()}}), code,
                 "rope_theta");
  expect_refused(json::object({{"rope_parameters", {{"rope_theta", -1}}}}),
                 code, "rope_parameters: rope_theta");
  for (const char* field : {"factor", "low_freq_factor", "high_freq_factor",
                            "original_max_position_embeddings"}) {
    expect_refused(
        json::object({{"rope_scaling", llama3_with(field, nullptr)}}), code,
        field);
    expect_refused(json::object({{"rope_scaling", llama3_with(field, -1)}}),
                   code, field);
  }
  expect_refused(
      json::object({{"rope_scaling", llama3_with("high_freq_factor", 1.0)}}),
      code, "not above low_freq_factor");
}

// High frequencies stay, low ones are divided, and nothing jumps between.
TEST(Rope, Llama3SlowsLowFrequenciesOnly) {
  const auto scaled =
      accepted(json::object({{"rope_theta", 5e5}, {"rope_scaling", llama3()}}))
          .inverse_frequencies(128);
  const auto plain =
      accepted(json::object({{"rope_theta", 5e5}})).inverse_frequencies(128);
  ASSERT_EQ(scaled.size(), 64u);
  EXPECT_EQ(scaled.front(), plain.front());
  EXPECT_NEAR(scaled.back() / plain.back(), 1.0 / 8, 1e-6);
  for (std::size_t i = 1; i < scaled.size(); ++i)
    EXPECT_LT(scaled[i] / plain[i], scaled[i - 1] / plain[i - 1] + 1e-6);
  // The 30th of 64: 8192 / wavelength lies between 1 and 4 turns.
  const double turns = 8192 * plain[31] / (2 * M_PI);
  ASSERT_GT(turns, 1);
  ASSERT_LT(turns, 4);
  const double share = (turns - 1) / 3;
  EXPECT_NEAR(scaled[31] / plain[31], share + (1 - share) / 8, 1e-5);
}

}  // namespace
}  // namespace lamina

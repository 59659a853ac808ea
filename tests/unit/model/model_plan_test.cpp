#include "actors/model/model_plan.hpp"

#include "tests/unit/model/fixture.hpp"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

model_options options_of(const std::string& name, std::uint64_t memory_bytes) {
  model_options o;
  o.name = name;
  o.directory = golden_directory(name);
  o.memory_bytes = memory_bytes;
  return o;
}

TEST(ModelPlan, SaysWhatLoadingFinds) {
  for (const char* name : {"llama", "gpt2"}) {
    const auto options = options_of(name, 1u << 30);
    const auto plan = plan_model(options);
    ASSERT_TRUE(plan) << to_string(plan.error());
    const auto loaded = model::load(options).value();
    const auto& expected = loaded->description();
    const auto& found = plan.value().model;
    EXPECT_EQ(found.architecture, expected.architecture);
    EXPECT_EQ(found.parameters, expected.parameters);
    EXPECT_EQ(found.weight_bytes, expected.weight_bytes);
    EXPECT_EQ(found.copied_bytes, expected.copied_bytes);
    EXPECT_EQ(found.compute, expected.compute);
    EXPECT_TRUE(plan.value().fits);
    EXPECT_EQ(plan.value().context_tokens, 128u);
  }
}

TEST(ModelPlan, CountsBytesOfAToken) {
  const auto plan = plan_model(options_of("llama", 1u << 30)).value();
  EXPECT_EQ(plan.kv_bytes_per_token, 2u * 2 * 2 * 16 * sizeof(float));
  EXPECT_EQ(plan.captured_bytes_per_token, 4u * 64 * sizeof(float));
}

TEST(ModelPlan, MappedWeightsNeedNoMemory) {
  const auto plan = plan_model(options_of("llama", 64u << 10)).value();
  EXPECT_TRUE(plan.fits);
  EXPECT_EQ(plan.copied_bytes(), 0u);
  EXPECT_GT(plan.mapped_bytes, plan.memory_bytes);
}

TEST(ModelPlan, WhatDoesNotFitIsRefusedWithItsNumbers) {
  const auto options = options_of("gpt2", 64u << 10);
  const auto plan = plan_model(options);
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan.value().fits);
  EXPECT_EQ(plan.value().context_tokens, 0u);
  const auto loaded = model::load(options);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, error_code::out_of_memory);
  for (const char* part :
       {"141056 parameters", "0.4 MB of the weights must be copied",
        "0.4 MB transposed", "1024 bytes", "0.1 MB are to be had"})
    EXPECT_THAT(loaded.error().context, HasSubstr(part));
}

TEST(ModelPlan, FailsWhereLoadingWould) {
  const scratch_model directory;
  directory.edit("config.json", "\"intermediate_size\": 128",
                 "\"intermediate_size\": 256");
  const model_options options{"broken", directory.path()};
  const auto plan = plan_model(options);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error(), model::load(options).error());
}

}  // namespace
}  // namespace lamina

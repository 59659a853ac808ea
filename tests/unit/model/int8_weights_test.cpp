// Models whose weights were quantised while they were loaded.
#include <random>

#include "actors/model/model_plan.hpp"
#include "tests/unit/model/fixture.hpp"
#include "tests/unit/model/safetensors_text.hpp"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

const std::filesystem::path demo =
    std::filesystem::path(LAMINA_SOURCE_DIR) / "models/demo";

model_options options_of(const std::filesystem::path& directory,
                         std::optional<dtype> compute = std::nullopt) {
  model_options o;
  o.name = "int8";
  o.directory = directory;
  o.compute = compute;
  o.memory_bytes = 1u << 30;
  o.weights = weight_format::int8;
  return o;
}

model_ptr load_int8(const std::filesystem::path& directory,
                    std::optional<dtype> compute = std::nullopt) {
  return model::load(options_of(directory, compute)).value();
}

struct int8_case {
  const char* name;  // of a golden; empty: the demo model
  dtype compute;

  std::filesystem::path directory() const {
    return *name == 0 ? demo : golden_directory(name);
  }
};

class Int8Weights : public ::testing::TestWithParam<int8_case> {
 protected:
  std::filesystem::path directory_ = GetParam().directory();
  model_ptr model_ = load_int8(directory_, GetParam().compute);

  // A prompt of two tokens: sixteen of them are few rows for every kernel.
  sequence_request request(std::uint32_t i) const {
    sequence_request r;
    r.tokens = {5 + i * 7, 200 - i};
    r.conversation = i;
    r.max_new_tokens = 12;
    return r;
  }
};

TEST_P(Int8Weights, ABatchOfSixteenEqualsSixteenAlone) {
  const auto e = engine::create(model_, {});
  std::vector<sequence_id> ids;
  for (std::uint32_t i = 0; i < 16; ++i)
    ids.push_back(e->add(request(i)).value());
  outcomes together;
  run(*e, together);
  for (std::uint32_t i = 0; i < 16; ++i) {
    const auto alone = run_one(model_, request(i));
    EXPECT_EQ(together[ids[i]].tokens, alone.tokens);
    EXPECT_EQ(together[ids[i]].rows, alone.rows);
  }
}

// Logits after every token of some noise, against float32 weights and float32
// arithmetic: root mean square of the difference over that of the logits.
TEST_P(Int8Weights, LogitsStayNearFloat32) {
  const auto exact = load(directory_, dtype::float32);
  std::mt19937 random(1);
  sequence_request r;
  for (int i = 0; i < 48; ++i)
    r.tokens.push_back(3 + random() % 300);
  const auto logits = [&](const model_ptr& m) {
    const auto o = run_one(m, r);
    const auto& d = m->description();
    std::vector<float> residuals;
    for (position_t p = 0; p < r.tokens.size(); ++p)
      residuals.insert(residuals.end(), o.row(d.layers, p).begin(),
                       o.row(d.layers, p).end());
    std::vector<float> out(r.tokens.size() * d.vocabulary);
    m->head().logits(residuals, static_cast<std::uint32_t>(r.tokens.size()),
                     out, 1);
    return out;
  };
  const auto expected = logits(exact), found = logits(model_);
  double lost = 0, all = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    lost += std::pow(found[i] - expected[i], 2);
    all += std::pow(expected[i], 2);
  }
  EXPECT_LT(std::sqrt(lost / all), 0.03);
  EXPECT_GT(lost, 0);
}

TEST_P(Int8Weights, ItsErrorsAreMeasured) {
  const auto& d = model_->description();
  EXPECT_EQ(d.weights, weight_format::int8);
  EXPECT_EQ(d.compute, GetParam().compute);
  EXPECT_GT(d.loss.weights, 0.004);
  EXPECT_LT(d.loss.weights, 0.01);
  ASSERT_TRUE(d.loss.logits);
  EXPECT_GT(*d.loss.logits, 0.001);
  EXPECT_LT(*d.loss.logits, 0.03);
}

TEST_P(Int8Weights, HaveARootOfTheirOwn) {
  const auto stored = load(directory_, GetParam().compute);
  EXPECT_EQ(model_->description().fingerprint,
            stored->description().fingerprint);
  EXPECT_NE(root_of(model_->origin()), root_of(stored->origin()));
  EXPECT_EQ(stored->origin().weights, "");
}

TEST_P(Int8Weights, APlanSaysWhatLoadingFinds) {
  const auto plan = plan_model(options_of(directory_, GetParam().compute));
  ASSERT_TRUE(plan) << to_string(plan.error());
  const auto& d = model_->description();
  EXPECT_EQ(plan.value().model.weights, weight_format::int8);
  EXPECT_EQ(plan.value().copied_bytes(), d.copied_bytes);
  EXPECT_EQ(plan.value().model.parameters, d.parameters);
  EXPECT_EQ(plan.value().aligned_bytes, 0u);
  EXPECT_EQ(plan.value().turned_bytes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, Int8Weights,
                         ::testing::Values(int8_case{"llama", dtype::float32},
                                           int8_case{"llama", dtype::bfloat16},
                                           int8_case{"llama3", dtype::bfloat16},
                                           int8_case{"gpt2", dtype::float32},
                                           int8_case{"gpt2", dtype::bfloat16},
                                           int8_case{"", dtype::float32},
                                           int8_case{"", dtype::bfloat16}),
                         [](const auto& given) {
                           return std::string(*given.param.name == 0
                                                  ? "demo"
                                                  : given.param.name) +
                                  "_" +
                                  std::string(to_string(given.param.compute));
                         });

TEST(Int8WeightsOf, AreCountedWithTheirScales) {
  const auto plan = plan_model(options_of(golden_directory("gpt2"))).value();
  // Of each of two layers c_attn, c_proj, c_fc and its c_proj, and the head,
  // which is the embedding's tensor once more.
  EXPECT_EQ(plan.quantised_bytes, 2u * (12 * 64 * 64 + sizeof(float) * 9 * 64) +
                                      512 * (64 + sizeof(float)));
  EXPECT_EQ(plan.mapped_bytes, (512u + 128) * 64 * sizeof(float));
}

TEST(Int8WeightsOf, Float16AreThoseOfTheSameNumbers) {
  const scratch_model directory;
  auto tensors = read_tensors(directory.path() / "model.safetensors");
  for (auto& tensor : tensors)
    tensor = as_float16(tensor);
  directory.write("model.safetensors", safetensors_file(tensors));
  sequence_request r;
  r.tokens = goldens("p1").tokens("input_ids");
  expect_rows_near(run_one(load_int8(directory.path()), r),
                   run_one(load_int8(golden_directory()), r), 2e-2f);
}

TEST(Int8WeightsOf, NothingFiniteAreRefusedByName) {
  const scratch_model directory;
  auto tensors = read_tensors(directory.path() / "model.safetensors");
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  for (auto& tensor : tensors)
    if (tensor.name == name) tensor.bytes.replace(40, 4, "\x00\x00\x80\x7f", 4);
  directory.write("model.safetensors", safetensors_file(tensors));
  const auto refused = model::load(options_of(directory.path()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::corrupt);
  EXPECT_THAT(refused.error().context, HasSubstr("'" + name + "'"));
  EXPECT_THAT(refused.error().context, HasSubstr("no finite number"));
}

TEST(Int8WeightsOf, LargeModelsAreNotReadTwice) {
  auto options = options_of(golden_directory());
  options.memory_bytes = 400u << 10;
  const auto m = model::load(options).value();
  EXPECT_GT(m->description().loss.weights, 0);
  EXPECT_FALSE(m->description().loss.logits);
}

TEST(Int8WeightsOf, WhatDoesNotFitIsRefusedWithItsNumbers) {
  auto options = options_of(golden_directory());
  options.memory_bytes = 64u << 10;
  const auto refused = model::load(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::out_of_memory);
  EXPECT_THAT(refused.error().context, HasSubstr("0.1 MB as int8"));
}

}  // namespace
}  // namespace lamina

// The path of GPUs, with libtorch's operators on the CPU (device `torch`),
// against our own kernels. golden_test.cpp holds it against Hugging Face too.
#include "actors/lens/lens.hpp"
#include "actors/model/loaded_model.hpp"
#include "actors/model/model_plan.hpp"
#include "tests/unit/model/fixture.hpp"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

constexpr compute_device on_torch{device_kind::torch, 0};

model_ptr placed(const std::string& name, compute_device device) {
  return load(golden_directory(name), std::nullopt, device);
}

sequence_request turn(std::vector<token_id> tokens, std::uint32_t answer) {
  sequence_request r;
  r.tokens = std::move(tokens);
  r.max_new_tokens = answer;
  return r;
}

std::vector<token_id> some_tokens(std::uint32_t count, std::uint32_t seed) {
  std::vector<token_id> ids;
  for (std::uint32_t i = 0; i < count; ++i)
    ids.push_back((i * 37 + seed * 101 + 3) % 500);
  return ids;
}

void expect_records_near(const outcome& actual, const outcome& expected) {
  ASSERT_EQ(actual.lens.size(), expected.lens.size());
  for (const auto& [position, records] : expected.lens)
    for (std::size_t l = 0; l < records.size(); ++l) {
      const lens_record& a = actual.lens.at(position)[l];
      const lens_record& b = records[l];
      ASSERT_NEAR(a.entropy, b.entropy, 1e-4);
      ASSERT_NEAR(a.kl_to_final, b.kl_to_final, 1e-4);
      for (std::uint32_t k = 0; k < lens_top_k; ++k)
        ASSERT_NEAR(a.top_log_probabilities[k], b.top_log_probabilities[k],
                    1e-4);
      if (!expected.rated.at(position)) continue;
      ASSERT_NEAR(a.of_this.log_probability, b.of_this.log_probability, 1e-4);
      ASSERT_NEAR(a.of_this.rank, b.of_this.rank, 1);
    }
}

class Device : public ::testing::TestWithParam<const char*> {
 protected:
  model_ptr device_ = placed(GetParam(), on_torch);
  model_ptr cpu_ = placed(GetParam(), {});
};

TEST_P(Device, RowsAndRecordsAreNearTheCpus) {
  sequence_request r = turn(some_tokens(90, 1), 8);
  r.lens = lens_mode::eager;
  const auto expected = run_one(cpu_, r);
  const auto actual = run_one(device_, r);
  EXPECT_EQ(actual.tokens, expected.tokens);
  EXPECT_EQ(actual.rows.size(), expected.rows.size());
  expect_rows_near(actual, expected);
  expect_records_near(actual, expected);
}

TEST_P(Device, SixteenTogetherEqualSixteenAlone) {
  const auto e = engine::create(device_, {});
  std::map<sequence_id, sequence_request> requests;
  for (std::uint32_t i = 0; i < 16; ++i) {
    auto r = turn(some_tokens(1 + 7 * i, i), 10);  // of one and two pages
    r.conversation = i;
    requests[e->add(r).value()] = r;
  }
  outcomes together;
  run(*e, together);
  for (const auto& [id, request] : requests) {
    const auto alone = run_one(device_, request);
    EXPECT_EQ(together[id].tokens, alone.tokens);
    expect_rows_near(together[id], alone);
  }
}

// A failed or cancelled turn's pages are taken again, others' rows in them.
TEST_P(Device, PagesThatWereUsedBeforeLeaveNoTrace) {
  engine_options scarce;
  scarce.kv_budget_bytes = 0;
  scarce.max_sequences = 1;  // so few pages that they are taken again
  const auto e = engine::create(device_, scarce);
  const auto request = turn(some_tokens(70, 3), 4);
  const auto first = run_one(*e, request);
  run_one(*e, turn(some_tokens(100, 4), 4));
  const auto again = run_one(*e, request);
  EXPECT_EQ(again.rows, first.rows);
  EXPECT_EQ(e->stats().kv_bytes_running, 0u);
}

// One page is shared whole, the second is copied before it is written to.
TEST_P(Device, AForkSharesPagesAndSpoilsNone) {
  const auto e = engine::create(device_, {});
  auto r = turn(some_tokens(100, 5), 4);
  r.conversation = 1;
  const auto whole = run_one(*e, r);
  auto fork = turn(some_tokens(80, 5), 0);
  fork.tokens.push_back(7);
  fork.conversation = 1;
  fork.keep_cache = false;  // the cache stays the conversation's
  fork.capture_from = 80;
  const auto forked = run_one(*e, fork);
  EXPECT_EQ(forked.prompt_reused, 79u);
  auto alone = fork;
  alone.conversation = 2;
  alone.capture_from = 0;
  const auto uncached = run_one(device_, alone);
  for (const auto& [at, row] : forked.rows)
    expect_near(row, uncached.rows.at(at), "a row behind the fork");

  auto next = r;
  next.tokens.insert(next.tokens.end(), whole.tokens.begin(),
                     whole.tokens.end());
  next.capture_from = 96;
  const auto second = run_one(*e, next);
  EXPECT_EQ(second.prompt_reused, 95u);
  for (const auto& [at, row] : second.rows)
    if (whole.rows.contains(at))
      expect_near(row, whole.rows.at(at), "a row of the fork's source");
}

TEST_P(Device, WithoutCaptureOnlyTokensComeBack) {
  auto r = turn(some_tokens(20, 6), 6);
  const auto captured = run_one(device_, r);
  r.capture = false;
  const auto bare = run_one(device_, r);
  EXPECT_TRUE(bare.rows.empty());
  EXPECT_EQ(bare.tokens, captured.tokens);
}

TEST_P(Device, NumbersAreOfARootOfTheirOwn) {
  EXPECT_EQ(cpu_->origin().device, "");
  EXPECT_EQ(device_->origin().device, "torch");
  EXPECT_NE(root_of(cpu_->origin()), root_of(device_->origin()));
  EXPECT_EQ(cpu_->description().fingerprint,
            device_->description().fingerprint);
}

INSTANTIATE_TEST_SUITE_P(Models, Device,
                         ::testing::Values("llama", "llama3", "gpt2"),
                         [](const auto& given) { return given.param; });

// A context of many pages, more rows than attend together.
TEST(DeviceStories, ALongPrefillIsNearTheCpus) {
  auto r = turn(some_tokens(300, 7), 20);
  const auto expected = run_one(placed("stories260K", {}), r);
  const auto actual = run_one(placed("stories260K", on_torch), r);
  EXPECT_EQ(actual.tokens, expected.tokens);
  expect_rows_near(actual, expected);
}

TEST(DeviceStories, GreedyTextIsTheReferences) {
  const auto m = placed("stories260K", on_torch);
  std::ifstream in(golden_directory("stories260K") / "greedy.txt");
  const std::string expected{std::istreambuf_iterator<char>(in), {}};
  std::string text;
  for (const token_id id : run_one(m, turn({*m->text().bos()}, 256)).tokens)
    text += m->text().bytes_of(id);
  EXPECT_EQ(text, " " + expected);
}

// The engine takes bad_alloc for memory that ran out, as from the heap
// (out_of_memory_test.cpp).
TEST(DevicePages, AreAsManyAsWereAskedForAndComeBack) {
  constexpr std::size_t page_bytes = 2 * 2 * 2 * 64 * 16 * 4;
  const auto layers_of = [](const model_ptr& m) -> const architecture& {
    return dynamic_cast<const loaded_model*>(m.get())->layers();
  };
  const auto on_device = placed("llama", on_torch);
  const auto memory = layers_of(on_device).make_kv_memory(2 * page_bytes);
  std::vector<std::shared_ptr<std::byte[]>> taken{memory->page(),
                                                  memory->page()};
  EXPECT_NE(taken[0], taken[1]);
  EXPECT_THROW(memory->page(), std::bad_alloc);
  taken.pop_back();
  EXPECT_NO_THROW(memory->page());
  const auto cpu = placed("llama", {});
  EXPECT_EQ(layers_of(cpu).make_kv_memory(page_bytes), nullptr) << "the heap";
}

// What the lens makes of rows, against the CPU's code on the same logits.
class DeviceScores : public ::testing::Test {
 protected:
  static constexpr std::uint32_t rows = 5;
  model_ptr model_ = placed("llama", on_torch);
  std::uint32_t vocabulary_ = model_->head().vocabulary();
  std::vector<float> residuals_ = [this] {
    std::vector<float> all(std::size_t{rows} * model_->head().width());
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i] = std::sin(0.7f * static_cast<float>(i));
    return all;
  }();

  scored_rows_ptr scored() const {
    return model_->head().score(residuals_, rows, 1);
  }
  std::vector<float> logits() const {
    std::vector<float> out(std::size_t{rows} * vocabulary_);
    model_->head().logits(residuals_, rows, out, 1);
    return out;
  }
  // Row 2 is no numbers.
  void spoil() { residuals_[2 * model_->head().width()] = std::nanf(""); }
};

TEST_F(DeviceScores, RowsAreSummarisedAsOnTheCpu) {
  const auto all = logits();
  const auto row = [&](std::uint32_t r) {
    return std::span(all).subspan(std::size_t{r} * vocabulary_, vocabulary_);
  };
  const std::vector<row_pair> pairs{{0, 4}, {3, 1}, {4, 4}};
  const auto found = scored()->summarise(pairs);
  ASSERT_EQ(found.size(), pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto expected =
        summarise_row(row(pairs[i].row), row(pairs[i].reference).data());
    EXPECT_NEAR(found[i].log_normaliser, expected.log_normaliser, 1e-5);
    EXPECT_NEAR(found[i].mean_logit, expected.mean_logit, 1e-5);
    EXPECT_NEAR(found[i].mean_difference, expected.mean_difference, 1e-5);
    for (std::uint32_t k = 0; k < lens_top_k; ++k) {
      EXPECT_EQ(found[i].top_ids[k], expected.top_ids[k]);
      EXPECT_EQ(found[i].top_logits[k], expected.top_logits[k]);
    }
  }
}

TEST_F(DeviceScores, TokensAreRatedAsOnTheCpu) {
  const auto all = logits();
  std::vector<row_token> asked;
  for (const token_id token : {0u, 17u, vocabulary_ - 1})
    for (std::uint32_t r = 0; r < rows; ++r)
      asked.push_back({r, token});
  const auto found = scored()->rate(asked);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto row = std::span<const float>(all).subspan(
        std::size_t{asked[i].row} * vocabulary_, vocabulary_);
    const auto expected =
        rate_row(row, summarise_row(row, row.data()), asked[i].token);
    EXPECT_EQ(found[i].rank, expected.rank);
    EXPECT_NEAR(found[i].log_probability, expected.log_probability, 1e-5);
  }
}

// All logits alike: the lower id first, as on the CPU.
TEST_F(DeviceScores, EqualLogitsAreInTheOrderOfTheirIds) {
  std::fill(residuals_.begin(), residuals_.end(), 0.0f);
  const std::vector<row_pair> pairs{{1, 1}};
  const auto found = scored()->summarise(pairs);
  for (std::uint32_t k = 0; k < lens_top_k; ++k)
    EXPECT_EQ(found[0].top_ids[k], k);
  const std::vector<row_token> asked{{1, 0}, {1, 40}};
  const auto rated = scored()->rate(asked);
  EXPECT_EQ(rated[0].rank, 0u);
  EXPECT_EQ(rated[1].rank, 40u);
}

TEST_F(DeviceScores, RowsThatAreNoNumbersSayWhatTheCpuSays) {
  spoil();
  const std::vector<row_pair> pairs{{1, 4}, {2, 4}};
  const auto found = scored()->summarise(pairs);
  EXPECT_FALSE(std::isnan(found[0].log_normaliser));
  EXPECT_TRUE(std::isnan(found[1].log_normaliser));
  EXPECT_EQ(found[1].top_ids[0], no_token);
  const std::vector<row_token> asked{{2, 5}};
  const auto rated = scored()->rate(asked);
  EXPECT_EQ(rated[0].rank, vocabulary_);
  EXPECT_TRUE(std::isnan(rated[0].log_probability));
}

TEST(ComputeDevice, IsReadAsItIsWritten) {
  EXPECT_EQ(to_string(read_device("cpu").value()), "cpu");
  EXPECT_EQ(to_string(read_device("torch").value()), "torch");
  EXPECT_EQ(to_string(read_device("cuda").value()), "cuda:0");
  EXPECT_EQ(to_string(read_device("cuda:7").value()), "cuda:7");
  for (const char* bad : {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda:128",
                          "CUDA", "torch:0", "cpu "}) {
    const auto read = read_device(bad);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().code, error_code::invalid_argument);
    EXPECT_THAT(read.error().context,
                HasSubstr("is not cpu, cuda, cuda:N or torch"));
  }
}

// No machine has a hundred.
TEST(ComputeDevice, ThatIsNotThereIsRefusedByName) {
  model_options options{"golden", golden_directory()};
  options.device = {device_kind::cuda, 100};
  for (const error& e :
       {model::load(options).error(), plan_model(options).error()}) {
    EXPECT_EQ(e.code, error_code::unsupported);
    EXPECT_THAT(e.context, HasSubstr("device cuda:100: this "));
    EXPECT_THAT(e.context, HasSubstr("CUDA"));
  }
}

TEST(ComputeDevice, MultipliesNoEightBits) {
  model_options options{"golden", golden_directory()};
  options.device = on_torch;
  options.weights = weight_format::int8;
  for (const error& e :
       {model::load(options).error(), plan_model(options).error()}) {
    EXPECT_EQ(e.code, error_code::unsupported);
    EXPECT_EQ(e.context, "device torch: weights of int8 are for the cpu only");
  }
}

TEST(DevicePlan, CountsWeightsInTheTypeThatIsComputedIn) {
  model_options options{"golden", golden_directory("gpt2")};
  options.device = on_torch;
  options.memory_bytes = 1u << 30;
  const auto plan = plan_model(options).value();
  EXPECT_TRUE(plan.fits);
  EXPECT_EQ(plan.model.device_bytes, 141'056u * sizeof(float));
  EXPECT_EQ(plan.copied_bytes(), 0u);
  EXPECT_EQ(plan.mapped_bytes, 0u);
  const auto loaded = model::load(options).value();
  EXPECT_EQ(loaded->description().device_bytes, plan.model.device_bytes);
  EXPECT_EQ(loaded->description().copied_bytes, plan.model.device_bytes)
      << "the process's memory";
  EXPECT_THAT(loaded->description().matmul_path, HasSubstr("libtorch"));
  options.compute = dtype::bfloat16;
  EXPECT_EQ(plan_model(options).value().model.device_bytes,
            141'056u * sizeof(std::uint16_t));
}

TEST(DevicePlan, WhatDoesNotFitIsRefusedWithItsNumbers) {
  model_options options{"golden", golden_directory("gpt2")};
  options.device = on_torch;
  options.memory_bytes = 512u << 10;
  const auto loaded = model::load(options);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, error_code::out_of_memory);
  for (const char* part : {"141056 parameters take 0.5 MB on device torch",
                           "1024 bytes", "0.5 MB are to be had there"})
    EXPECT_THAT(loaded.error().context, HasSubstr(part));
}

}  // namespace
}  // namespace lamina

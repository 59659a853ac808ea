// Checkpoints in several files, in other types, and what of them is copied.
#include <nlohmann/json.hpp>

#include "actors/model/arch/family.hpp"
#include "actors/model/checkpoint/checkpoint.hpp"
#include "actors/model/checkpoint/fingerprint.hpp"
#include "actors/model/checkpoint/weights.hpp"
#include "tests/unit/model/fixture.hpp"
#include "tests/unit/model/safetensors_text.hpp"

namespace lamina {
namespace {

using namespace test;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* index_name = "model.safetensors.index.json";
constexpr const char* first_shard = "model-00001-of-00002.safetensors";
constexpr const char* second_shard = "model-00002-of-00002.safetensors";

/// The golden model in two files and an index that is true.
class Shards : public ::testing::Test {
 protected:
  Shards() {
    const auto tensors = read_tensors(directory_.path() / "model.safetensors");
    std::vector<named_tensor> halves[2];
    for (const auto& tensor : tensors) {
      const int half = tensor.name.find("layers.1.") == std::string::npos;
      map_[tensor.name] = half ? second_shard : first_shard;
      halves[half].push_back(tensor);
    }
    directory_.write(first_shard, safetensors_file(halves[0]));
    directory_.write(second_shard, safetensors_file(halves[1]));
    std::filesystem::remove(directory_.path() / "model.safetensors");
    write_index();
  }

  void write_index() const {
    directory_.write(
        index_name,
        json{{"metadata", {{"total_size", 1}}}, {"weight_map", map_}}.dump());
  }
  error load_error() const {
    const auto loaded = model::load({"broken", directory_.path()});
    if (!loaded) return loaded.error();
    ADD_FAILURE() << "was loaded";
    return {};
  }

  scratch_model directory_;
  json map_ = json::object();
};

TEST_F(Shards, TogetherAreTheModel) {
  const auto sharded = load(directory_.path());
  const auto whole = golden_model();
  EXPECT_EQ(sharded->description().parameters, whole->description().parameters);
  sequence_request r;
  r.tokens = goldens("p0").tokens("input_ids");
  r.max_new_tokens = 16;
  EXPECT_EQ(run_one(sharded, r).tokens, goldens("p0").tokens("greedy"));
}

TEST_F(Shards, AMissingOneIsNotFound) {
  std::filesystem::remove(directory_.path() / second_shard);
  const error e = load_error();
  EXPECT_EQ(e.code, error_code::not_found);
  EXPECT_THAT(e.context, HasSubstr(second_shard));
  EXPECT_THAT(e.context, HasSubstr("model.safetensors.index.json names it"));
}

TEST_F(Shards, ATensorInTwoOfThemIsCorrupt) {
  const auto some = read_tensors(directory_.path() / second_shard);
  auto more = read_tensors(directory_.path() / first_shard);
  more.push_back(some.front());
  directory_.write(first_shard, safetensors_file(more));
  const error e = load_error();
  EXPECT_EQ(e.code, error_code::corrupt);
  EXPECT_THAT(e.context, HasSubstr(second_shard));
  EXPECT_THAT(e.context, HasSubstr("tensor '" + some.front().name + "' is in " +
                                   first_shard + " too"));
}

TEST_F(Shards, AnIndexThatNamesAnotherFileIsCorrupt) {
  map_["model.norm.weight"] = first_shard;
  write_index();
  const error e = load_error();
  EXPECT_EQ(e.code, error_code::corrupt);
  EXPECT_THAT(e.context,
              HasSubstr("tensor 'model.norm.weight' is not in " +
                        std::string(first_shard) + " but in " + second_shard));
}

TEST_F(Shards, AnIndexWithATensorThatIsNowhereIsCorrupt) {
  map_["model.layers.7.mlp.up_proj.weight"] = first_shard;
  write_index();
  EXPECT_THAT(
      load_error().context,
      HasSubstr("tensor 'model.layers.7.mlp.up_proj.weight' is not in"));
}

TEST_F(Shards, AnIndexThatLeavesATensorOutIsCorrupt) {
  map_.erase("model.norm.weight");
  write_index();
  EXPECT_THAT(load_error().context,
              HasSubstr("tensor 'model.norm.weight' of " +
                        std::string(second_shard) + " is not in weight_map"));
}

TEST_F(Shards, AnIndexThatLeadsElsewhereIsRefused) {
  map_["model.norm.weight"] = "../model.safetensors";
  write_index();
  EXPECT_THAT(load_error().context, HasSubstr("is not a file name"));
  directory_.write(index_name, "{");
  EXPECT_THAT(load_error().context, HasSubstr("is not a JSON object"));
  directory_.write(index_name, R"({"weight_map": 7})");
  EXPECT_THAT(load_error().context, HasSubstr("weight_map is missing"));
}

TEST(Weights, PickledOnesAreSaidToBeThere) {
  const scratch_model directory;
  std::filesystem::rename(directory.path() / "model.safetensors",
                          directory.path() / "pytorch_model.bin");
  const auto loaded = model::load({"pickled", directory.path()});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, error_code::not_found);
  EXPECT_THAT(loaded.error().context, HasSubstr("only safetensors are read"));
}

TEST(Weights, OpenAisNamesOfGpt2AreRead) {
  const scratch_model directory("gpt2");
  auto tensors = read_tensors(directory.path() / "model.safetensors");
  for (auto& tensor : tensors)
    tensor.name = tensor.name.substr(std::string("transformer.").size());
  // The causal mask, as published checkpoints have it.
  tensors.push_back(
      {"h.0.attn.bias", "BOOL", {1, 1, 2, 2}, std::string(4, '\1')});
  directory.write("model.safetensors", safetensors_file(tensors));
  sequence_request r;
  r.tokens = goldens("p0", "gpt2").tokens("input_ids");
  r.max_new_tokens = 16;
  EXPECT_EQ(run_one(load(directory.path()), r).tokens,
            goldens("p0", "gpt2").tokens("greedy"));
}

// Rounded to float16 by the test, so near, not equal.
TEST(Weights, Float16OnesComputeInFloat32) {
  for (const char* name : {"llama", "gpt2"}) {
    const scratch_model directory(name);
    auto tensors = read_tensors(directory.path() / "model.safetensors");
    for (auto& tensor : tensors)
      tensor = as_float16(tensor);
    directory.write("model.safetensors", safetensors_file(tensors));
    const auto m = load(directory.path());
    EXPECT_EQ(m->description().compute, dtype::float32);
    sequence_request r;
    r.tokens = goldens("p1", name).tokens("input_ids");
    const auto half = run_one(m, r);
    const auto whole = run_one(load(golden_directory(name)), r);
    expect_rows_near(half, whole, 5e-3f);
  }
}

weight_placement placement_of(const std::string& name, std::uint64_t memory,
                              dtype compute = dtype::float32) {
  const auto directory = golden_directory(name);
  const auto config =
      read_small_file(directory / "config.json", 1u << 20).value();
  weights_reader weights(open_checkpoint(directory).value(),
                         {compute, memory, true});
  EXPECT_TRUE(read_outline(config).value().build(weights));
  return weights.placement();
}

TEST(Weights, LargerThanHalfOfMemoryStayMapped) {
  const auto small = placement_of("llama", 1u << 20);
  EXPECT_EQ(small.copied_bytes(), 0u);
  const auto ample = placement_of("llama", 1u << 30);
  EXPECT_EQ(ample.mapped_bytes + ample.aligned_bytes, small.mapped_bytes);
  EXPECT_EQ(ample.converted_bytes, 0u);
}

TEST(Weights, WhatMustBeCopiedIsCounted) {
  const auto gpt2 = placement_of("gpt2", 1u << 20);
  // Of each layer: c_attn, c_proj, c_fc and its c_proj.
  EXPECT_EQ(gpt2.turned_bytes, 2u * 12 * 64 * 64 * sizeof(float));
  EXPECT_EQ(gpt2.aligned_bytes, 0u);
  EXPECT_EQ(gpt2.mapped_bytes, (512u + 128) * 64 * sizeof(float));
  const auto rounded = placement_of("llama", 1u << 20, dtype::bfloat16);
  EXPECT_EQ(rounded.mapped_bytes, 0u);
  EXPECT_EQ(rounded.converted_bytes, placement_of("llama", 0).mapped_bytes / 2);
}

TEST(Fingerprint, IsHashedOnceAndFollowsTheFile) {
  const scratch_model directory;
  const auto kept = directory.path() / "fingerprints";
  const auto files = open_checkpoint(directory.path()).value();
  const digest known = kept_fingerprint(kept, "config", files).value();
  EXPECT_EQ(known, fingerprint("config", files).value());
  // Whatever is kept is believed: nothing was read again.
  const auto entry = *std::filesystem::directory_iterator(kept);
  const std::string other(32, 'a');
  std::ofstream(entry.path()) << other << '\n';
  EXPECT_EQ(to_string(kept_fingerprint(kept, "config", files).value()), other);
  // Another text of config.json, or a write to the weights, is another model.
  EXPECT_EQ(kept_fingerprint(kept, "other", files).value(),
            fingerprint("other", files).value());
  std::string bytes = directory.read("model.safetensors");
  bytes.back() ^= 1;
  directory.write("model.safetensors", bytes);
  EXPECT_NE(to_string(kept_fingerprint(kept, "config", files).value()), other);
}

TEST(Fingerprint, WithoutAPlaceIsHashedAnew) {
  const auto files = open_checkpoint(golden_directory()).value();
  const digest hashed = fingerprint("config", files).value();
  EXPECT_EQ(kept_fingerprint({}, "config", files).value(), hashed);
  EXPECT_EQ(kept_fingerprint("/proc/nowhere", "config", files).value(), hashed);
}

TEST(Fingerprint, EndsWhenItIsTold) {
  const scratch_model directory;
  const auto kept = directory.path() / "fingerprints";
  const auto files = open_checkpoint(directory.path()).value();
  std::stop_source interrupt;
  interrupt.request_stop();
  const auto stopped =
      kept_fingerprint(kept, "config", files, interrupt.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, error_code::cancelled);
  EXPECT_FALSE(std::filesystem::exists(kept)) << "nothing half done is kept";
}

}  // namespace
}  // namespace lamina

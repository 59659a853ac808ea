// What the tests of actors/model share: golden models, what Hugging Face
// computed with them, and a run of the engine with everything it announced.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "actors/model/checkpoint/mapped_file.hpp"
#include "actors/model/checkpoint/safetensors.hpp"
#include "actors/model/engine.hpp"

namespace lamina::test {

inline std::filesystem::path golden_directory(
    const std::string& name = "llama") {
  return std::filesystem::path(LAMINA_SOURCE_DIR) / "tests/goldens" / name;
}

inline model_ptr load(const std::filesystem::path& directory,
                      std::optional<dtype> compute = std::nullopt,
                      compute_device device = {}) {
  model_options options{"golden", directory, compute};
  options.device = device;
  auto loaded = model::load(options);
  if (!loaded) {
    ADD_FAILURE() << to_string(loaded.error());
    std::abort();
  }
  return loaded.value();
}

inline model_ptr golden_model(std::optional<dtype> compute = std::nullopt) {
  return load(golden_directory(), compute);
}

/// goldens.safetensors: see tests/goldens/goldens.py for the names.
class goldens {
 public:
  explicit goldens(std::string prompt, const std::string& model = "llama")
      : prompt_(std::move(prompt)) {
    file_ = mapped_file::open(golden_directory(model) / "goldens.safetensors")
                .value();
    tensors_ = parse_safetensors(file_->bytes()).value();
  }

  std::vector<float> floats(const std::string& name) const {
    return read<float>(name);
  }
  std::vector<token_id> tokens(const std::string& name) const {
    std::vector<token_id> ids;
    for (const std::int64_t id : read<std::int64_t>(name))
      ids.push_back(static_cast<token_id>(id));
    return ids;
  }

 private:
  template <class T>
  std::vector<T> read(const std::string& name) const {
    const auto bytes = tensors_.at(prompt_ + "." + name).bytes;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  std::string prompt_;
  mapped_file_ptr file_;
  tensor_map tensors_;
};

/// Everything that was announced about one sequence.
struct outcome {
  std::vector<token_id> tokens;
  std::map<std::pair<std::uint32_t, position_t>, std::vector<float>> rows;
  std::map<position_t, std::vector<lens_record>> lens;
  std::map<position_t, bool> rated;
  std::optional<finish_reason> finished;
  std::optional<error> failed;
  std::optional<std::uint32_t> last_token_text_bytes;
  std::uint32_t prompt_reused = 0;
  std::uint32_t steps = 0;

  const std::vector<float>& row(std::uint32_t slot, position_t p) const {
    return rows.at({slot, p});
  }
  bool has_row(position_t p) const { return rows.contains({0, p}); }

  void take(const sequence_progress& p) {
    EXPECT_FALSE(finished) << "progress after the end";
    ++steps;
    tokens.insert(tokens.end(), p.tokens.begin(), p.tokens.end());
    for (const auto& ready : p.rows)
      take(ready);
    for (const auto& records : p.lens)
      take(*records);
    finished = p.finished;
    failed = p.failed;
    last_token_text_bytes = p.last_token_text_bytes;
    prompt_reused = p.prompt_reused;
  }

 private:
  void take(const ready_rows& ready) {
    const capture_shape& shape = ready.chunk->shape();
    for (std::uint32_t r = ready.begin; r < ready.end; ++r)
      for (std::uint32_t slot = 0; slot < shape.slots(); ++slot) {
        std::vector<float> wide(shape.width);
        widen_row(ready.chunk->row(slot, r), shape.element, wide);
        auto& kept = rows[{slot, ready.chunk->first() + r}];
        if (!kept.empty()) {
          EXPECT_EQ(kept, wide) << "a published row changed";
        }
        kept = std::move(wide);
      }
  }

  void take(const lens_rows& records) {
    const std::uint32_t per = records.layers + 1;
    for (std::uint32_t i = 0; i < records.count(); ++i) {
      const auto begin = records.records.begin() + i * per;
      EXPECT_FALSE(lens.contains(records.first + i)) << "announced twice";
      lens[records.first + i] = {begin, begin + per};
      rated[records.first + i] = i > 0 || records.first_rated;
    }
  }
};

using outcomes = std::map<sequence_id, outcome>;

/// Steps until nothing runs. Outcomes may already hold earlier progress.
inline void run(engine& e, outcomes& all) {
  for (int step = 0; step < 10'000 && !e.idle(); ++step)
    for (const auto& p : e.step())
      all[p.sequence].take(p);
}

inline outcome run_one(engine& e, sequence_request request) {
  auto id = e.add(std::move(request));
  if (!id) {
    ADD_FAILURE() << to_string(id.error());
    return {};
  }
  outcomes all;
  run(e, all);
  return all[id.value()];
}

inline outcome run_one(const model_ptr& m, sequence_request request,
                       engine_options options = {}) {
  return run_one(*engine::create(m, options), std::move(request));
}

/// The tolerance of the goldens: 1e-4 of the largest reference, at least 1.
inline void expect_near(std::span<const float> actual,
                        std::span<const float> expected,
                        const std::string& what, float relative = 1e-4f) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  float largest = 1;
  for (const float x : expected)
    largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], relative * largest)
        << what << ", element " << i;
}

/// All rows that `expected` has are in `actual` and near.
inline void expect_rows_near(const outcome& actual, const outcome& expected,
                             float relative = 1e-4f) {
  for (const auto& [at, row] : expected.rows) {
    const auto found = actual.rows.find(at);
    ASSERT_NE(found, actual.rows.end())
        << "slot " << at.first << ", position " << at.second;
    expect_near(found->second, row,
                "slot " + std::to_string(at.first) + ", position " +
                    std::to_string(at.second),
                relative);
  }
}

/// A copy of a golden directory that a test may spoil; gone afterwards.
class scratch_model {
 public:
  explicit scratch_model(const std::string& name_of_golden = "llama") {
    std::string name = ::testing::TempDir() + "lamina_model_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
    for (const char* file : {"config.json", "generation_config.json",
                             "model.safetensors", "tokenizer.json"})
      std::filesystem::copy_file(golden_directory(name_of_golden) / file,
                                 path_ / file);
  }
  ~scratch_model() { std::filesystem::remove_all(path_); }
  scratch_model(const scratch_model&) = delete;
  scratch_model& operator=(const scratch_model&) = delete;

  const std::filesystem::path& path() const { return path_; }

  std::string read(const std::string& file) const {
    std::ifstream in(path_ / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& file, const std::string& bytes) const {
    std::ofstream(path_ / file, std::ios::binary) << bytes;
  }
  /// Replaces what stands in a file once.
  void edit(const std::string& file, const std::string& from,
            const std::string& to) const {
    std::string text = read(file);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, text.npos) << from;
    write(file, text.replace(at, from.size(), to));
  }

 private:
  std::filesystem::path path_;
};

}  // namespace lamina::test

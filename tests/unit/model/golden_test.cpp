// The forward passes of the families against what Hugging Face computed in
// float32: with our own kernels, and with libtorch's operators as on a GPU.
#include <cmath>

#include "actors/lens/lens.hpp"
#include "actors/model/kernels/rows.hpp"
#include "tests/unit/model/fixture.hpp"

namespace lamina {
namespace {

using namespace test;

constexpr std::uint32_t layers = 2;
constexpr std::uint32_t width = 64;
constexpr std::uint32_t vocabulary = 512;

/// A model of tests/goldens and one of its prompts.
struct golden_case {
  const char* name;
  const char* prompt;
  const char* head;  // the tensor that the logits are computed with
};

using placed_case = std::tuple<golden_case, device_kind>;

class Golden : public ::testing::TestWithParam<placed_case> {
 protected:
  golden_case given_ = std::get<golden_case>(GetParam());
  std::string name_ = given_.name;
  goldens reference_{given_.prompt, name_};
  std::vector<token_id> prompt_ = reference_.tokens("input_ids");

  model_ptr model_of(std::optional<dtype> compute = std::nullopt) const {
    return load(golden_directory(name_), compute,
                {std::get<device_kind>(GetParam())});
  }
  sequence_request prefill() const {
    sequence_request r;
    r.tokens = prompt_;
    return r;
  }
  std::vector<float> captured(const outcome& o, std::uint32_t slot) const {
    std::vector<float> all;
    for (position_t p = 0; p < prompt_.size(); ++p)
      all.insert(all.end(), o.row(slot, p).begin(), o.row(slot, p).end());
    return all;
  }
  void expect_hidden_states(const outcome& o, float relative) const {
    for (std::uint32_t slot = 0; slot <= layers; ++slot)
      expect_near(captured(o, slot),
                  reference_.floats("hidden." + std::to_string(slot)),
                  "hidden." + std::to_string(slot), relative);
    expect_near(captured(o, layers + 1), reference_.floats("hidden.norm"),
                "hidden.norm", relative);
  }
  std::vector<float> logits(const model& m, const outcome& o) const {
    std::vector<float> out(prompt_.size() * vocabulary);
    m.head().logits(captured(o, layers),
                    static_cast<std::uint32_t>(prompt_.size()), out, 1);
    return out;
  }
};

TEST_P(Golden, CapturedRowsAreTheHiddenStates) {
  const auto o = run_one(model_of(), prefill());
  EXPECT_EQ(o.finished, finish_reason::prefilled);
  expect_hidden_states(o, 1e-4f);
}

TEST_P(Golden, LogitsAgree) {
  const auto m = model_of();
  const auto o = run_one(m, prefill());
  expect_near(logits(*m, o), reference_.floats("logits"), "logits");
}

TEST_P(Golden, GreedyTokensAgree) {
  sequence_request r = prefill();
  r.max_new_tokens = 16;
  const auto o = run_one(model_of(), r);
  const auto expected = reference_.tokens("greedy");
  const auto margins = reference_.floats("margin");
  ASSERT_EQ(o.tokens.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (margins[i] < 1e-3f) break;  // a tie: what follows may differ
    EXPECT_EQ(o.tokens[i], expected[i]) << "token " << i;
  }
  EXPECT_EQ(o.finished, finish_reason::length);
}

TEST_P(Golden, EagerLensAgrees) {
  sequence_request r = prefill();
  r.lens = lens_mode::eager;
  const auto o = run_one(model_of(), r);
  const auto ids = reference_.tokens("lens.ids");
  const auto probabilities = reference_.floats("lens.probs");
  ASSERT_EQ(o.lens.size(), prompt_.size());
  std::size_t at = 0;
  for (const auto& [position, records] : o.lens)
    for (const lens_record& record : records)
      for (std::uint32_t k = 0; k < lens_top_k; ++k, ++at) {
        ASSERT_NEAR(std::exp(record.top_log_probabilities[k]),
                    probabilities[at], 1e-4)
            << "position " << position << ", rank " << k;
        const bool close =
            (k > 0 && probabilities[at - 1] - probabilities[at] < 1e-5f) ||
            (k + 1 < lens_top_k &&
             probabilities[at] - probabilities[at + 1] < 1e-5f);
        if (!close) {
          EXPECT_EQ(record.top_ids[k], ids[at]);
        }
      }
}

TEST_P(Golden, LastLensRowIsTheModelsOwnDistribution) {
  sequence_request r = prefill();
  r.lens = lens_mode::eager;
  const auto o = run_one(model_of(), r);
  const auto logits = reference_.floats("logits");
  for (const auto& [position, records] : o.lens) {
    const float* row = logits.data() + position * vocabulary;
    double total = 0;
    for (std::uint32_t i = 0; i < vocabulary; ++i)
      total += std::exp(static_cast<double>(row[i]));
    const lens_record& last = records.back();
    EXPECT_EQ(last.kl_to_final, 0);
    for (std::uint32_t k = 0; k < lens_top_k; ++k)
      EXPECT_NEAR(last.top_log_probabilities[k],
                  row[last.top_ids[k]] - std::log(total), 1e-4);
  }
}

TEST_P(Golden, PrefillInPiecesEqualsWhole) {
  engine_options pieces;
  pieces.pace.rows_max = 5;
  const auto o = run_one(model_of(), prefill(), pieces);
  EXPECT_EQ(o.steps, (prompt_.size() + 4) / 5);
  expect_hidden_states(o, 1e-4f);
}

TEST_P(Golden, TokenByTokenEqualsWhole) {
  engine_options single;
  single.pace.rows_max = 1;
  expect_hidden_states(run_one(model_of(), prefill(), single), 1e-4f);
}

TEST_P(Golden, Bfloat16StaysNearFloat32) {
  const auto m = model_of(dtype::bfloat16);
  EXPECT_EQ(m->description().compute, dtype::bfloat16);
  const auto o = run_one(m, prefill());
  expect_hidden_states(o, 3e-2f);
  expect_near(logits(*m, o), reference_.floats("logits"), "logits", 3e-2f);
}

// What is captured in bfloat16 is what the model went on with: the head's
// weights times the captured final_norm are the logits, far closer than the
// rounding that captured rows went through.
TEST_P(Golden, Bfloat16CaptureIsWhatTheHeadRead) {
  const auto m = model_of(dtype::bfloat16);
  sequence_request r = prefill();
  r.max_new_tokens = 1;
  const auto o = run_one(m, r);
  const auto all = logits(*m, o);
  const auto* last = all.data() + (prompt_.size() - 1) * vocabulary;
  EXPECT_EQ(o.tokens.at(0), std::max_element(last, last + vocabulary) - last);

  const auto file =
      mapped_file::open(golden_directory(name_) / "model.safetensors");
  const auto tensors = parse_safetensors(file.value()->bytes()).value();
  std::vector<float> head(std::size_t{vocabulary} * width);
  widen_row(tensors.at(given_.head).bytes, dtype::float32, head);
  round_to(dtype::bfloat16, head.data(), head.size());
  for (position_t p = 0; p < prompt_.size(); ++p)
    for (std::uint32_t v = 0; v < vocabulary; ++v) {
      double sum = 0;
      for (std::uint32_t i = 0; i < width; ++i)
        sum += static_cast<double>(o.row(layers + 1, p)[i]) *
               head[std::size_t{v} * width + i];
      ASSERT_NEAR(all[p * vocabulary + v], sum, 1e-5);
    }
}

TEST_P(Golden, DeferredLensEqualsEager) {
  const auto m = model_of();
  const auto e = engine::create(m, {});
  sequence_request r = prefill();
  r.lens = lens_mode::eager;
  r.max_new_tokens = 4;
  std::vector<ready_rows> chunks;
  outcome o;
  ASSERT_TRUE(e->add(r));
  while (!e->idle())
    for (const auto& p : e->step()) {
      for (const auto& rows : p.rows) {
        if (!chunks.empty() && chunks.back().chunk == rows.chunk)
          chunks.back() = rows;
        else
          chunks.push_back(rows);
      }
      o.take(p);
    }
  std::vector<token_id> tokens = prompt_;
  tokens.insert(tokens.end(), o.tokens.begin(), o.tokens.end());
  ready_rows before;
  for (const auto& rows : chunks) {
    const position_t first = rows.chunk->first();
    const lens_input in{rows,
                        before,
                        {tokens.begin() + first + rows.begin,
                         tokens.begin() + first + rows.end}};
    const lens_rows deferred = compute_lens(m->head(), in, 1);
    EXPECT_EQ(deferred.first_rated, first > 0);
    for (std::uint32_t i = 0; i < deferred.count(); ++i)
      for (std::uint32_t l = 0; l <= layers; ++l) {
        const auto& a = deferred.records[i * (layers + 1) + l];
        const auto& b = o.lens.at(first + i)[l];
        EXPECT_EQ(a.top_ids[0], b.top_ids[0]);
        EXPECT_NEAR(a.entropy, b.entropy, 1e-4);
        EXPECT_NEAR(a.kl_to_final, b.kl_to_final, 1e-4);
        if (first + i == 0) continue;
        EXPECT_TRUE(o.rated.at(first + i));
        EXPECT_NEAR(a.of_this.log_probability, b.of_this.log_probability, 1e-4);
        EXPECT_NEAR(a.of_this.rank, b.of_this.rank, 1);
      }
    before = rows;
  }
}

// The second turn reads what the first left in the KV cache.
TEST_P(Golden, CachedEqualsUncached) {
  const auto m = model_of();
  const auto e = engine::create(m, {});
  sequence_request r = prefill();
  r.conversation = 1;
  r.max_new_tokens = 12;
  outcome both = run_one(*e, r);
  r.tokens.insert(r.tokens.end(), both.tokens.begin(), both.tokens.end());
  for (token_id question = 40; question < 47; ++question)
    r.tokens.push_back(question);
  r.capture_from = first_position(chunk_of(prompt_.size() + 12));
  const auto second = run_one(*e, r);
  EXPECT_EQ(second.prompt_reused, r.capture_from - 1);
  for (const auto& [at, row] : second.rows)
    both.rows[at] = row;

  sequence_request whole;
  whole.tokens = r.tokens;
  whole.tokens.insert(whole.tokens.end(), second.tokens.begin(),
                      second.tokens.end());
  const auto once = run_one(m, whole);
  EXPECT_EQ(once.rows.size(), whole.tokens.size() * (layers + 2));
  expect_rows_near(both, once);
}

TEST_P(Golden, SequencesTogetherEqualThemAlone) {
  const auto m = model_of();
  std::vector<sequence_request> requests(3);
  requests[0].tokens = goldens("p0", name_).tokens("input_ids");
  requests[1].tokens = prompt_;
  requests[2].tokens = {7, 8, 9};
  for (std::size_t i = 0; i < 3; ++i) {
    requests[i].conversation = i;
    requests[i].max_new_tokens = static_cast<std::uint32_t>(6 + 4 * i);
  }
  engine_options options;
  options.pace.rows_max = 8;
  const auto e = engine::create(m, options);
  outcomes together;
  std::vector<sequence_id> ids;
  for (const auto& r : requests) {  // each joins while the others run
    ids.push_back(e->add(r).value());
    for (const auto& p : e->step())
      together[p.sequence].take(p);
  }
  run(*e, together);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto alone = run_one(m, requests[i]);
    EXPECT_EQ(together[ids[i]].tokens, alone.tokens);
    expect_rows_near(together[ids[i]], alone);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, Golden,
    ::testing::Combine(
        ::testing::Values(
            golden_case{"llama", "p0", "lm_head.weight"},
            golden_case{"llama", "p1", "lm_head.weight"},
            golden_case{"llama3", "p0", "model.embed_tokens.weight"},
            golden_case{"llama3", "p1", "model.embed_tokens.weight"},
            golden_case{"gpt2", "p0", "transformer.wte.weight"},
            golden_case{"gpt2", "p1", "transformer.wte.weight"}),
        ::testing::Values(device_kind::cpu, device_kind::torch)),
    [](const auto& given) {
      const auto& of = std::get<golden_case>(given.param);
      return std::string(of.name) + "_" + of.prompt + "_" +
             std::string(kind_name(std::get<device_kind>(given.param)));
    });

TEST(GoldenModel, Gpt2DescribesItself) {
  const auto m = load(golden_directory("gpt2"));
  const auto& d = m->description();
  EXPECT_EQ(d.architecture, "gpt2");
  EXPECT_EQ(d.heads, 4u);
  EXPECT_EQ(d.kv_heads, 4u);
  EXPECT_EQ(d.vocabulary, vocabulary);
  EXPECT_EQ(d.context_length, 128u);
  EXPECT_EQ(d.parameters, 141'056u);
  EXPECT_EQ(m->origin().rope, "learned");
}

TEST(GoldenModel, DescribesItself) {
  const auto m = golden_model();
  const auto& d = m->description();
  EXPECT_EQ(d.architecture, "llama");
  EXPECT_EQ(d.layers, layers);
  EXPECT_EQ(d.width, width);
  EXPECT_EQ(d.heads, 4u);
  EXPECT_EQ(d.kv_heads, 2u);
  EXPECT_EQ(d.vocabulary, vocabulary);
  EXPECT_EQ(d.context_length, 128u);
  EXPECT_EQ(d.parameters, 139'584u);
  EXPECT_EQ(d.compute, dtype::float32);
  EXPECT_THAT(m->end_tokens(), ::testing::ElementsAre(2));
  EXPECT_EQ(m->origin().rope, "default:10000");
}

TEST(GoldenModel, FingerprintFollowsWeightsAndConfiguration) {
  const scratch_model same, weights, config;
  std::string bytes = weights.read("model.safetensors");
  bytes.back() ^= 1;
  weights.write("model.safetensors", bytes);
  config.write("config.json", config.read("config.json") + " ");
  const auto of = [](const auto& directory) {
    return load(directory)->description().fingerprint;
  };
  const auto original = of(golden_directory());
  EXPECT_EQ(of(same.path()), original);
  EXPECT_NE(of(weights.path()), original);
  EXPECT_NE(of(config.path()), original);
}

}  // namespace
}  // namespace lamina

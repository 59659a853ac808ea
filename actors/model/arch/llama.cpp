#include "actors/model/arch/llama.hpp"

#include <omp.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/model/kernels/linear.hpp"
#include "actors/model/kernels/rows.hpp"

namespace lamina {
namespace {

struct llama_layer {
  std::vector<float> attention_norm;  // [width]
  matrix query;                       // [heads * head_dim][width]
  matrix key, value;                  // [kv_heads * head_dim][width]
  matrix attention_out;               // [width][heads * head_dim]
  std::vector<float> feed_norm;       // [width]
  matrix gate, up;                    // [feed_forward][width]
  matrix down;                        // [width][feed_forward]
};

struct llama_weights {
  std::shared_ptr<const weight_memory> memory;  // what the matrices point into
  matrix embedding;                             // [vocabulary][width]
  std::vector<llama_layer> layers;
  std::vector<float> final_norm;  // [width]
  matrix head;                    // [vocabulary][width]
};

// Final norm and head. In bfloat16 the norm's result is rounded, so that the
// captured final_norm row is exactly what the head reads.
class llama_head final : public output_head {
 public:
  llama_head(const llama_weights& weights, float epsilon, dtype compute)
      : weights_(weights), epsilon_(epsilon), compute_(compute) {}

  std::uint32_t width() const override { return weights_.head.columns; }
  std::uint32_t vocabulary() const override { return weights_.head.rows; }

  void norm(const float* residuals, std::uint32_t rows, float* out) const {
    rms_norm(residuals, rows, weights_.final_norm, epsilon_, out);
    round_to(compute_, out, std::size_t{rows} * width());
  }

  void logits(std::span<const float> residuals, std::uint32_t rows,
              std::span<float> out, int threads) const override {
    const thread_limit limit(threads);
    thread_local std::vector<float> normed;
    normed.resize(residuals.size());
    norm(residuals.data(), rows, normed.data());
    linear(normed.data(), rows,
           std::array{projection{weights_.head, out.data()}});
  }

 private:
  const llama_weights& weights_;
  float epsilon_;
  dtype compute_;
};

class llama final : public architecture {
 public:
  llama(const llama_config& config, dtype compute, llama_weights weights)
      : config_(config),
        compute_(compute),
        weights_(std::move(weights)),
        head_(weights_, config.norm_epsilon, compute),
        inverse_frequencies_(config.head_dim / 2) {
    for (std::uint32_t i = 0; i < inverse_frequencies_.size(); ++i) {
      const float exponent =
          static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
      inverse_frequencies_[i] =
          1.0f / std::pow(static_cast<float>(config.rope_theta), exponent);
    }
  }

  kv_shape cache_shape() const override {
    return {config_.layers, config_.kv_heads, config_.head_dim, compute_};
  }
  const output_head& head() const override { return head_; }

  // n tokens; d = width, h = heads * head_dim, g = kv_heads * head_dim,
  // f = feed_forward. The residual stream is rounded to the compute dtype
  // where it is captured; all arithmetic between is float32.
  void forward(std::span<const token_id> tokens,
               std::span<const step_span> spans, forward_memory& m,
               activation_sink& sink) const override {
    const auto n = static_cast<std::uint32_t>(tokens.size());
    reserve(m, n);
    embed(tokens, m.residual.data());  // [n][d]
    prepare_rotation(spans, n, m);
    sink.activations(0, m.residual.data());
    for (std::uint32_t l = 0; l < config_.layers; ++l) {
      const llama_layer& w = weights_.layers[l];
      attention(w, l, spans, n, m);  // m.normed [n][d]
      add(m.residual.data(), m.normed.data(), m.residual.size());
      feed_forward(w, n, m);  // m.normed [n][d]
      add(m.residual.data(), m.normed.data(), m.residual.size());
      round_to(compute_, m.residual.data(), m.residual.size());
      sink.activations(1 + l, m.residual.data());
    }
    head_.norm(m.residual.data(), n, m.normed.data());  // [n][d]
    sink.activations(config_.layers + 1, m.normed.data());
  }

 private:
  // m.normed = Wo attend(rope(Wq x), rope(Wk x), Wv x), x = norm(residual)
  void attention(const llama_layer& w, std::uint32_t layer,
                 std::span<const step_span> spans, std::uint32_t n,
                 forward_memory& m) const {
    rms_norm(m.residual.data(), n, w.attention_norm, config_.norm_epsilon,
             m.normed.data());  // [n][d]
    linear(m.normed.data(), n,
           std::array{projection{w.query, m.queries.data()},   // [n][h]
                      projection{w.key, m.keys.data()},        // [n][g]
                      projection{w.value, m.values.data()}});  // [n][g]
    rotate_and_store(layer, spans, m);
    attend(spans, layer, config_.heads, m.queries.data(),
           m.mixed.data());  // [n][h]
    linear(m.mixed.data(), n,
           std::array{projection{w.attention_out, m.normed.data()}});
  }

  // m.normed = Wdown (silu(Wgate x) * Wup x), x = norm(residual)
  void feed_forward(const llama_layer& w, std::uint32_t n,
                    forward_memory& m) const {
    rms_norm(m.residual.data(), n, w.feed_norm, config_.norm_epsilon,
             m.normed.data());  // [n][d]
    linear(m.normed.data(), n,
           std::array{projection{w.gate, m.gate.data()},  // [n][f]
                      projection{w.up, m.up.data()}});    // [n][f]
    silu_multiply(m.gate.data(), m.up.data(), m.gate.size());
    linear(m.gate.data(), n, std::array{projection{w.down, m.normed.data()}});
  }

  void embed(std::span<const token_id> tokens, float* out) const {
    const matrix& table = weights_.embedding;
    for (const token_id id : tokens) {
      widen_row({table.row(id), table.row_bytes()}, table.element,
                {out, table.columns});
      out += table.columns;
    }
  }

  // Angles of each row's position: [n][head_dim / 2].
  void prepare_rotation(std::span<const step_span> spans, std::uint32_t n,
                        forward_memory& m) const {
    const std::size_t half = inverse_frequencies_.size();
    m.cosines.resize(n * half);
    m.sines.resize(n * half);
    for (const step_span& s : spans)
      for (std::uint32_t i = 0; i < s.count; ++i)
        for (std::size_t f = 0; f < half; ++f) {
          const float angle =
              static_cast<float>(s.first + i) * inverse_frequencies_[f];
          m.cosines[(s.first_row + i) * half + f] = std::cos(angle);
          m.sines[(s.first_row + i) * half + f] = std::sin(angle);
        }
  }

  void rotate_and_store(std::uint32_t layer, std::span<const step_span> spans,
                        forward_memory& m) const {
    const std::uint32_t half = config_.head_dim / 2;
    const std::size_t h = std::size_t{config_.heads} * config_.head_dim;
    const std::size_t g = std::size_t{config_.kv_heads} * config_.head_dim;
    for (const step_span& s : spans)
      for (std::uint32_t i = 0; i < s.count; ++i) {
        const std::size_t row = s.first_row + i;
        const float* cosines = m.cosines.data() + row * half;
        const float* sines = m.sines.data() + row * half;
        rotate_half(m.queries.data() + row * h, config_.heads, half, cosines,
                    sines);
        rotate_half(m.keys.data() + row * g, config_.kv_heads, half, cosines,
                    sines);
        s.cache->store(layer, s.first + i, m.keys.data() + row * g,
                       m.values.data() + row * g);
      }
  }

  void reserve(forward_memory& m, std::size_t n) const {
    m.residual.resize(n * config_.width);
    m.normed.resize(n * config_.width);
    m.queries.resize(n * config_.heads * config_.head_dim);
    m.mixed.resize(n * config_.heads * config_.head_dim);
    m.keys.resize(n * config_.kv_heads * config_.head_dim);
    m.values.resize(n * config_.kv_heads * config_.head_dim);
    m.gate.resize(n * config_.feed_forward);
    m.up.resize(n * config_.feed_forward);
  }

  llama_config config_;
  dtype compute_;
  llama_weights weights_;
  llama_head head_;
  std::vector<float> inverse_frequencies_;  // [head_dim / 2]
};

result<llama_layer> take_layer(const llama_config& c, std::uint32_t index,
                               weights_reader& weights) {
  const std::string at = "model.layers." + std::to_string(index) + ".";
  const std::uint32_t h = c.heads * c.head_dim;
  const std::uint32_t g = c.kv_heads * c.head_dim;
  llama_layer l;
  BOOST_OUTCOME_TRY(attention_norm,
                    weights.vector(at + "input_layernorm.weight", c.width));
  BOOST_OUTCOME_TRY(
      feed_norm,
      weights.vector(at + "post_attention_layernorm.weight", c.width));
  l.attention_norm = std::move(attention_norm);
  l.feed_norm = std::move(feed_norm);
  const auto take = [&](const char* name, std::uint32_t rows,
                        std::uint32_t columns, matrix& out) -> result<void> {
    BOOST_OUTCOME_TRY(taken, weights.matrix_of(at + name, rows, columns));
    out = taken;
    return success();
  };
  BOOST_OUTCOME_TRYV(take("self_attn.q_proj.weight", h, c.width, l.query));
  BOOST_OUTCOME_TRYV(take("self_attn.k_proj.weight", g, c.width, l.key));
  BOOST_OUTCOME_TRYV(take("self_attn.v_proj.weight", g, c.width, l.value));
  BOOST_OUTCOME_TRYV(
      take("self_attn.o_proj.weight", c.width, h, l.attention_out));
  BOOST_OUTCOME_TRYV(
      take("mlp.gate_proj.weight", c.feed_forward, c.width, l.gate));
  BOOST_OUTCOME_TRYV(take("mlp.up_proj.weight", c.feed_forward, c.width, l.up));
  BOOST_OUTCOME_TRYV(
      take("mlp.down_proj.weight", c.width, c.feed_forward, l.down));
  return l;
}

}  // namespace

result<std::unique_ptr<const architecture>> make_llama(
    const llama_config& config, weights_reader& weights) {
  llama_weights w;
  BOOST_OUTCOME_TRY(embedding,
                    weights.matrix_of("model.embed_tokens.weight",
                                      config.vocabulary, config.width));
  w.embedding = embedding;
  w.head = embedding;
  if (config.tied_head) {
    weights.ignore("lm_head.weight");  // some checkpoints store it twice
  } else {
    BOOST_OUTCOME_TRY(head, weights.matrix_of("lm_head.weight",
                                              config.vocabulary, config.width));
    w.head = head;
  }
  BOOST_OUTCOME_TRY(norm, weights.vector("model.norm.weight", config.width));
  w.final_norm = std::move(norm);
  for (std::uint32_t l = 0; l < config.layers; ++l) {
    BOOST_OUTCOME_TRY(layer, take_layer(config, l, weights));
    w.layers.push_back(std::move(layer));
    // A buffer of old exports; the engine computes these itself.
    weights.ignore("model.layers." + std::to_string(l) +
                   ".self_attn.rotary_emb.inv_freq");
  }
  BOOST_OUTCOME_TRYV(weights.check_all_taken());
  w.memory = weights.memory();
  return std::unique_ptr<const architecture>(
      std::make_unique<llama>(config, weights.compute(), std::move(w)));
}

}  // namespace lamina

#include "actors/model/arch/decoder.hpp"

#include <array>
#include <cmath>
#include <utility>

#include "actors/model/device/decoder.hpp"
#include "actors/model/kernels/linear.hpp"
#include "actors/model/kernels/rows.hpp"

namespace lamina {
namespace {

void apply(const norm_part& norm, const float* x, std::uint32_t rows,
           float* out) {
  if (norm.kind == norm_kind::root_mean_square)
    rms_norm(x, rows, norm.gain, norm.epsilon, out);
  else
    layer_norm(x, rows, norm.gain, norm.bias, norm.epsilon, out);
}

void apply(const linear_part& part, const float* x, std::uint32_t rows,
           float* out) {
  linear(x, rows, std::array{projection{part.weight, out}});
  add_bias(out, rows, part.bias);
}

// Final norm and head. In bfloat16 the norm's result is rounded, so that the
// captured final_norm row is exactly what the head reads.
class decoder_head final : public output_head {
 public:
  decoder_head(const decoder_parts& parts, dtype compute)
      : parts_(parts), compute_(compute) {}

  std::uint32_t width() const override { return parts_.head.columns; }
  std::uint32_t vocabulary() const override { return parts_.head.rows; }

  void norm(const float* residuals, std::uint32_t rows, float* out) const {
    apply(parts_.final_norm, residuals, rows, out);
    round_to(compute_, out, std::size_t{rows} * width());
  }

  void logits(std::span<const float> residuals, std::uint32_t rows,
              std::span<float> out, int threads) const override {
    const thread_limit limit(threads);
    thread_local std::vector<float> normed;
    normed.resize(residuals.size());
    norm(residuals.data(), rows, normed.data());
    linear(normed.data(), rows,
           std::array{projection{parts_.head, out.data()}});
  }

 private:
  const decoder_parts& parts_;
  dtype compute_;
};

class decoder final : public architecture {
 public:
  decoder(const model_shape& shape, dtype compute, decoder_parts parts)
      : shape_(shape),
        compute_(compute),
        parts_(std::move(parts)),
        head_(parts_, compute) {}

  kv_shape cache_shape() const override {
    return {shape_.layers, shape_.kv_heads, shape_.head_dim, compute_};
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
    embed(tokens, spans, m);  // m.residual [n][d]
    prepare_rotation(spans, n, m);
    m.clock.lap(step_part::matmul);
    sink.activations(0, m.residual.data());
    m.clock.lap(step_part::capture);
    for (std::uint32_t l = 0; l < shape_.layers; ++l) {
      attention(parts_.layers[l].attention, l, spans, n, m);  // m.normed [n][d]
      add(m.residual.data(), m.normed.data(), m.residual.size());
      feed_forward(parts_.layers[l].feed_forward, n, m);  // m.normed [n][d]
      add(m.residual.data(), m.normed.data(), m.residual.size());
      round_to(compute_, m.residual.data(), m.residual.size());
      m.clock.lap(step_part::matmul);
      sink.activations(1 + l, m.residual.data());
      m.clock.lap(step_part::capture);
    }
    head_.norm(m.residual.data(), n, m.normed.data());  // [n][d]
    m.clock.lap(step_part::matmul);
    sink.activations(shape_.layers + 1, m.normed.data());
    m.clock.lap(step_part::capture);
  }

 private:
  void embed(std::span<const token_id> tokens, std::span<const step_span> spans,
             forward_memory& m) const {
    float* out = m.residual.data();
    for (const token_id id : tokens) {
      widen_row(parts_.embedding, id, {out, shape_.width});
      out += shape_.width;
    }
    if (parts_.positions.rows == 0) return;
    add_positions(spans, m);
    round_to(compute_, m.residual.data(), m.residual.size());
  }

  // m.residual[row] += positions[position of the row]
  void add_positions(std::span<const step_span> spans,
                     forward_memory& m) const {
    const matrix& table = parts_.positions;
    const std::span<float> wide(m.normed.data(), table.columns);
    for (const step_span& s : spans)
      for (std::uint32_t i = 0; i < s.count; ++i) {
        widen_row(table, s.first + i, wide);
        add(m.residual.data() + std::size_t{s.first_row + i} * table.columns,
            wide.data(), table.columns);
      }
  }

  // m.normed = out attend(rotate(query x), rotate(key x), value x)
  void attention(const attention_part& w, std::uint32_t layer,
                 std::span<const step_span> spans, std::uint32_t n,
                 forward_memory& m) const {
    apply(w.norm, m.residual.data(), n, m.normed.data());  // [n][d]
    linear(m.normed.data(), n,
           std::array{projection{w.query.weight, m.queries.data()},   // [n][h]
                      projection{w.key.weight, m.keys.data()},        // [n][g]
                      projection{w.value.weight, m.values.data()}});  // [n][g]
    add_bias(m.queries.data(), n, w.query.bias);
    add_bias(m.keys.data(), n, w.key.bias);
    add_bias(m.values.data(), n, w.value.bias);
    m.clock.lap(step_part::matmul);
    rotate_and_store(layer, spans, m);
    attend(spans, layer, shape_.heads, m.queries.data(),
           m.mixed.data());  // [n][h]
    m.clock.lap(step_part::attention);
    apply(w.out, m.mixed.data(), n, m.normed.data());
  }

  // m.normed = down (silu(gate x) * up x), or down gelu(up x)
  void feed_forward(const feed_forward_part& w, std::uint32_t n,
                    forward_memory& m) const {
    apply(w.norm, m.residual.data(), n, m.normed.data());  // [n][d]
    if (w.gate.weight.rows == 0) {
      apply(w.up, m.normed.data(), n, m.up.data());  // [n][f]
      gelu_tanh(m.up.data(), m.up.size());
      apply(w.down, m.up.data(), n, m.normed.data());
      return;
    }
    linear(m.normed.data(), n,
           std::array{projection{w.gate.weight, m.gate.data()},  // [n][f]
                      projection{w.up.weight, m.up.data()}});    // [n][f]
    add_bias(m.gate.data(), n, w.gate.bias);
    add_bias(m.up.data(), n, w.up.bias);
    silu_multiply(m.gate.data(), m.up.data(), m.gate.size());
    apply(w.down, m.gate.data(), n, m.normed.data());
  }

  // Angles of each row's position: [n][head_dim / 2].
  void prepare_rotation(std::span<const step_span> spans, std::uint32_t n,
                        forward_memory& m) const {
    const auto& frequencies = parts_.inverse_frequencies;
    const std::size_t half = frequencies.size();
    m.cosines.resize(n * half);
    m.sines.resize(n * half);
    for (const step_span& s : spans)
      for (std::uint32_t i = 0; i < s.count; ++i)
        for (std::size_t f = 0; f < half; ++f) {
          const float angle = static_cast<float>(s.first + i) * frequencies[f];
          m.cosines[(s.first_row + i) * half + f] = std::cos(angle);
          m.sines[(s.first_row + i) * half + f] = std::sin(angle);
        }
  }

  void rotate_and_store(std::uint32_t layer, std::span<const step_span> spans,
                        forward_memory& m) const {
    const auto half =
        static_cast<std::uint32_t>(parts_.inverse_frequencies.size());
    const std::size_t h = std::size_t{shape_.heads} * shape_.head_dim;
    const std::size_t g = std::size_t{shape_.kv_heads} * shape_.head_dim;
    for (const step_span& s : spans)
      for (std::uint32_t i = 0; i < s.count; ++i) {
        const std::size_t row = s.first_row + i;
        if (half != 0) {
          const float* cosines = m.cosines.data() + row * half;
          const float* sines = m.sines.data() + row * half;
          rotate_half(m.queries.data() + row * h, shape_.heads, half, cosines,
                      sines);
          rotate_half(m.keys.data() + row * g, shape_.kv_heads, half, cosines,
                      sines);
        }
        s.cache->store(layer, s.first + i, m.keys.data() + row * g,
                       m.values.data() + row * g);
      }
  }

  void reserve(forward_memory& m, std::size_t n) const {
    m.residual.resize(n * shape_.width);
    m.normed.resize(n * shape_.width);
    m.queries.resize(n * shape_.heads * shape_.head_dim);
    m.mixed.resize(n * shape_.heads * shape_.head_dim);
    m.keys.resize(n * shape_.kv_heads * shape_.head_dim);
    m.values.resize(n * shape_.kv_heads * shape_.head_dim);
    m.gate.resize(n * shape_.feed_forward);
    m.up.resize(n * shape_.feed_forward);
  }

  model_shape shape_;
  dtype compute_;
  decoder_parts parts_;
  decoder_head head_;
};

}  // namespace

result<std::unique_ptr<const architecture>> make_decoder(
    const model_shape& shape, const weights_reader& weights,
    decoder_parts parts) {
  BOOST_OUTCOME_TRYV(weights.check_all_taken());
  const weights_options& given = weights.options();
  if (given.device.kind != device_kind::cpu && !given.counting)
    return make_device_decoder(shape, given.compute, given.device, parts);
  parts.memory = weights.memory();
  return std::unique_ptr<const architecture>(
      std::make_unique<decoder>(shape, weights.compute(), std::move(parts)));
}

}  // namespace lamina

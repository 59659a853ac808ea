#include "actors/model/device/decoder.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/api/include/torch/version.h>
#if TORCH_VERSION_MAJOR >= 2
#include <ATen/ops/scaled_dot_product_attention.h>
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "actors/model/device/device_head.hpp"
#include "actors/model/device/page_pool.hpp"
#include "actors/model/device/parts.hpp"
#include "actors/model/device/pass_layout.hpp"
#include "actors/model/device/side_stream.hpp"
#include "actors/model/device/torch_device.hpp"

namespace lamina {
namespace {

// What the rows of one step take, on the device and in the host's memory.
struct pass_state final : device_state {
  explicit pass_state(c10::Device device) : beside(device) {}

  at::Tensor rows;  // [slots][n][width], of the compute type
  at::Tensor host;  // the same, where they are copied to
  bool copied = false;
  side_stream beside;
};

// q: [b][kv_heads][r][head_dim], float32; k, v: [b][kv_heads][t][head_dim], of
// the compute type; visible: [b][1][r][t]. float32, like q.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& visible) {
#if TORCH_VERSION_MAJOR >= 2
  return at::scaled_dot_product_attention(q.to(k.scalar_type()), k, v, visible)
      .to(at::kFloat);
#else
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  at::Tensor scores = (q * scale).matmul(k.to(at::kFloat).transpose(2, 3));
  scores.masked_fill_(visible.logical_not(), -INFINITY);
  return scores.softmax(-1).matmul(v.to(at::kFloat));
#endif
}

class device_decoder final : public architecture {
 public:
  device_decoder(const model_shape& shape, dtype compute, compute_device device,
                 const decoder_parts& parts);

  kv_shape cache_shape() const override {
    return {shape_.layers, shape_.kv_heads, shape_.head_dim, compute_};
  }
  const output_head& head() const override { return *head_; }

  void forward(std::span<const token_id> tokens,
               std::span<const step_span> spans, forward_memory& memory,
               activation_sink& sink) const override;
  std::shared_ptr<kv_memory> make_kv_memory(
      std::uint64_t bytes_max) const override;
  scored_rows_ptr score(std::span<const pass_row> rows,
                        const forward_memory& memory) const override;
  void finish(forward_memory& memory, activation_sink& sink) const override;

 private:
  pass_state& prepare(forward_memory& memory, std::size_t n, bool wanted) const;
  at::Tensor embed(const pass_layout& layout) const;
  void keep(pass_state& state, std::uint32_t slot,
            const at::Tensor& rows) const;
  at::Tensor attention(const device_layer& w, std::uint32_t layer,
                       const pass_layout& layout, const page_pool& pool,
                       const at::Tensor& residual) const;
  at::Tensor mix(std::uint32_t layer, const attention_group& group,
                 const page_pool& pool, const at::Tensor& queries) const;
  at::Tensor feed_forward(const device_layer& w,
                          const at::Tensor& residual) const;
  static at::Tensor rotate(const at::Tensor& heads, const pass_layout& layout);

  model_shape shape_;
  dtype compute_;
  compute_device where_;
  c10::Device device_;
  at::Tensor embedding_;  // [vocabulary][width]
  at::Tensor positions_;  // [context_length][width]; undefined: none
  std::vector<float> frequencies_;
  std::vector<device_layer> layers_;
  std::unique_ptr<const device_head> head_;
};

device_decoder::device_decoder(const model_shape& shape, dtype compute,
                               compute_device device,
                               const decoder_parts& parts)
    : shape_(shape),
      compute_(compute),
      where_(device),
      device_(torch_device(device)),
      frequencies_(parts.inverse_frequencies) {
  const c10::InferenceMode guard;
  const uploader to(device_, torch_type(compute));
  embedding_ = to.matrix_of(parts.embedding);
  if (parts.positions.rows != 0) positions_ = to.matrix_of(parts.positions);
  for (const decoder_layer& layer : parts.layers)
    layers_.push_back(upload(to, layer));
  const bool tied = parts.head.elements == parts.embedding.elements;
  head_ = std::make_unique<device_head>(
      upload(to, parts.final_norm),
      tied ? embedding_ : to.matrix_of(parts.head));
}

std::shared_ptr<kv_memory> device_decoder::make_kv_memory(
    std::uint64_t bytes_max) const {
  const kv_shape shape = cache_shape();
  const std::uint64_t bytes =
      std::min(bytes_max, kv_share_of(available_bytes(where_)));
  return std::make_shared<page_pool>(
      shape, device_,
      static_cast<std::int64_t>(
          std::max<std::uint64_t>(bytes / kv_cache::page_bytes(shape), 1)));
}

// n tokens; d = width, h = heads, g = kv_heads, c = head_dim, f = feed_forward.
// As on the CPU the residual stream is rounded where it is captured.
void device_decoder::forward(std::span<const token_id> tokens,
                             std::span<const step_span> spans,
                             forward_memory& memory,
                             activation_sink& sink) const {
  const c10::InferenceMode guard;
  pass_state& state = prepare(memory, tokens.size(), sink.wanted());
  const auto& pool =
      static_cast<const page_pool&>(*spans.front().cache->memory());
  const pass_layout layout =
      lay_out(tokens, spans, pool, shape_.heads, frequencies_, device_);
  at::Tensor residual = embed(layout);  // [n][d]
  keep(state, 0, residual);
  for (std::uint32_t l = 0; l < shape_.layers; ++l) {
    residual = residual + attention(layers_[l], l, layout, pool, residual);
    residual = residual + feed_forward(layers_[l], residual);
    keep(state, 1 + l, residual);
    residual = state.rows[1 + l].to(at::kFloat);
  }
  keep(state, shape_.layers + 1, head_->norm(residual));
}

// Rows of the step before may still be on their way when it failed.
pass_state& device_decoder::prepare(forward_memory& memory, std::size_t n,
                                    bool wanted) const {
  if (!memory.device) memory.device = std::make_unique<pass_state>(device_);
  auto& state = static_cast<pass_state&>(*memory.device);
  state.beside.wait();
  const auto rows = static_cast<std::int64_t>(n);
  const std::array<std::int64_t, 3> sizes{shape_.layers + 2, rows,
                                          shape_.width};
  if (!state.rows.defined() || state.rows.size(1) != rows)
    state.rows = at::empty(
        sizes, at::TensorOptions(torch_type(compute_)).device(device_));
  state.copied = wanted;
  if (wanted && (!state.host.defined() || state.host.size(1) != rows))
    state.host = host_buffer(device_, sizes, torch_type(compute_));
  return state;
}

at::Tensor device_decoder::embed(const pass_layout& layout) const {
  at::Tensor rows = embedding_.index_select(0, layout.tokens).to(at::kFloat);
  if (!positions_.defined()) return rows;
  rows = rows + positions_.index_select(0, layout.positions).to(at::kFloat);
  return rows.to(torch_type(compute_)).to(at::kFloat);
}

void device_decoder::keep(pass_state& state, std::uint32_t slot,
                          const at::Tensor& rows) const {
  const at::Tensor here = state.rows[slot];
  here.copy_(rows);
  if (state.copied) state.beside.copy(here, state.host[slot]);
}

// out attend(rotate(query x), rotate(key x), value x), x = norm(residual)
at::Tensor device_decoder::attention(const device_layer& w, std::uint32_t layer,
                                     const pass_layout& layout,
                                     const page_pool& pool,
                                     const at::Tensor& residual) const {
  const std::int64_t n = residual.size(0), h = shape_.heads,
                     g = shape_.kv_heads, c = shape_.head_dim;
  const at::Tensor all =
      w.query_key_value(w.attention_norm(residual)).view({n, h + 2 * g, c});
  const at::Tensor turned =
      rotate(all.slice(1, 0, h + g), layout);  // [n][h + g][c]
  const at::Tensor queries = turned.slice(1, 0, h);
  const at::Tensor keys = turned.slice(1, h), values = all.slice(1, h + g);
  const auto store = [&](std::int64_t which, const at::Tensor& rows) {
    pool.rows_from((2 * layer + which) * g)
        .index_copy_(0, layout.key_rows,
                     rows.reshape({n * g, c}).to(torch_type(compute_)));
  };
  store(0, keys);
  store(1, values);
  const at::Tensor mixed = at::empty({n, h * c}, residual.options());
  for (const attention_group& group : layout.groups)
    mixed.index_copy_(0, group.rows, mix(layer, group, pool, queries));
  return w.attention_out(mixed);
}

// What the rows of a group attend to: [b * r][h * c]. Heads of queries that
// share a head of keys (s of them) are rows of one product.
at::Tensor device_decoder::mix(std::uint32_t layer,
                               const attention_group& group,
                               const page_pool& pool,
                               const at::Tensor& queries) const {
  const std::int64_t b = group.sequences, r = group.rows_each,
                     g = shape_.kv_heads, s = shape_.heads / g,
                     c = shape_.head_dim;
  const auto seen = [&](std::int64_t which) {
    return pool.blocks_from((2 * layer + which) * g)
        .index_select(0, group.blocks)
        .view({b, g, -1, c});
  };
  const at::Tensor q = queries.index_select(0, group.rows)
                           .view({b, r, g, s, c})
                           .permute({0, 2, 3, 1, 4})
                           .reshape({b, g, s * r, c});
  return attend(q, seen(0), seen(1), group.visible)
      .view({b, g, s, r, c})
      .permute({0, 3, 1, 2, 4})
      .reshape({b * r, -1});
}

// down (silu(gate x) * up x), or down gelu(up x); x = norm(residual)
at::Tensor device_decoder::feed_forward(const device_layer& w,
                                        const at::Tensor& residual) const {
  const at::Tensor x = w.gate_up(w.feed_forward_norm(residual));
  if (!w.gated) return w.down(at::gelu(x, "tanh"));
  const std::int64_t f = x.size(1) / 2;
  return w.down(at::silu(x.slice(1, 0, f)) * x.slice(1, f));
}

// Pairs (i, i + c / 2), as kernels/rows.hpp. heads: [n][any][c].
at::Tensor device_decoder::rotate(const at::Tensor& heads,
                                  const pass_layout& layout) {
  if (!layout.cosines.defined()) return heads;
  const std::int64_t half = layout.cosines.size(2);
  const at::Tensor low = heads.slice(2, 0, half), high = heads.slice(2, half);
  return at::cat({low * layout.cosines - high * layout.sines,
                  high * layout.cosines + low * layout.sines},
                 2);
}

scored_rows_ptr device_decoder::score(std::span<const pass_row> rows,
                                      const forward_memory& memory) const {
  const c10::InferenceMode guard;
  const auto& state = static_cast<const pass_state&>(*memory.device);
  std::vector<std::int64_t> wanted;
  for (const pass_row& row : rows)
    wanted.push_back(row.slot * state.rows.size(1) + row.row);
  const at::Tensor indices = copied_to(device_, wanted);
  return head_->score(state.rows.view({-1, shape_.width})
                          .index_select(0, indices)
                          .to(at::kFloat));
}

void device_decoder::finish(forward_memory& memory,
                            activation_sink& sink) const {
  auto& state = static_cast<pass_state&>(*memory.device);
  state.beside.wait();
  if (!std::exchange(state.copied, false)) return;
  const auto* rows = static_cast<const std::byte*>(state.host.data_ptr());
  const std::size_t bytes = state.host.nbytes() / (shape_.layers + 2);
  for (std::uint32_t slot = 0; slot < shape_.layers + 2; ++slot)
    sink.copied_activations(slot, rows + slot * bytes);
}

}  // namespace

std::unique_ptr<const architecture> make_device_decoder(
    const model_shape& shape, dtype compute, compute_device device,
    const decoder_parts& parts) {
  return std::make_unique<device_decoder>(shape, compute, device, parts);
}

}  // namespace lamina

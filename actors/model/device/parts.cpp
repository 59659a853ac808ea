#include "actors/model/device/parts.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>

#include "actors/model/device/torch_device.hpp"

namespace lamina {
at::Tensor uploader::matrix_of(const matrix& m) const {
  return as_tensor(m.elements, {m.rows, m.columns}, torch_type(m.element))
      .to(device_, compute_, /*non_blocking=*/false, /*copy=*/true);
}

at::Tensor uploader::vector(const std::vector<float>& values) const {
  if (values.empty()) return {};
  return copied_to(device_, values);
}

at::Tensor device_norm::operator()(const at::Tensor& x) const {
  if (kind == norm_kind::mean_and_variance)
    return at::layer_norm(x, {x.size(1)}, gain, bias, epsilon);
  return x * (x.square().mean(-1, /*keepdim=*/true) + epsilon).rsqrt() * gain;
}

device_norm upload(const uploader& to, const norm_part& part) {
  return {part.kind, part.epsilon, to.vector(part.gain), to.vector(part.bias)};
}

at::Tensor device_linear::operator()(const at::Tensor& x) const {
  const at::Tensor product =
      x.to(weight.scalar_type()).matmul(weight.t()).to(at::kFloat);
  return bias.defined() ? product + bias : product;
}

device_linear upload(const uploader& to,
                     std::initializer_list<const linear_part*> parts) {
  std::vector<at::Tensor> weights;
  std::vector<float> bias;
  bool biased = false;
  for (const linear_part* part : parts) {
    weights.push_back(to.matrix_of(part->weight));
    bias.insert(bias.end(), part->bias.begin(), part->bias.end());
    bias.resize(bias.size() + part->weight.rows - part->bias.size());
    biased = biased || !part->bias.empty();
  }
  if (!biased) bias.clear();
  return {weights.size() == 1 ? weights.front() : at::cat(weights),
          to.vector(bias)};
}

device_layer upload(const uploader& to, const decoder_layer& layer) {
  const attention_part& a = layer.attention;
  const feed_forward_part& f = layer.feed_forward;
  const bool gated = f.gate.weight.rows != 0;
  return {upload(to, a.norm),
          upload(to, {&a.query, &a.key, &a.value}),
          upload(to, {&a.out}),
          upload(to, f.norm),
          gated,
          gated ? upload(to, {&f.gate, &f.up}) : upload(to, {&f.up}),
          upload(to, {&f.down})};
}

}  // namespace lamina

// The parts of a decoder (arch/decoder.hpp) as tensors on a device, and what
// they do to rows. Rows are float32 between parts; matrices are kept, and
// multiplied, in the type that the model computes in, so that in bfloat16 a
// product is rounded to bfloat16, as GPU libraries leave it. Norms, rotation
// and activations are float32.
//
// Immutable once uploaded; any thread, within c10::InferenceMode.
#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <vector>

#include "actors/model/arch/decoder.hpp"

namespace lamina {

/// Copies to a device.
class uploader {
 public:
  uploader(c10::Device device, c10::ScalarType compute)
      : device_(device), compute_(compute) {}

  /// [rows][columns], of the compute type.
  at::Tensor matrix_of(const matrix& m) const;
  /// [length], float32; undefined when empty.
  at::Tensor vector(const std::vector<float>& values) const;

 private:
  c10::Device device_;
  c10::ScalarType compute_;
};

struct device_norm {
  norm_kind kind;
  double epsilon;
  at::Tensor gain;
  at::Tensor bias;

  /// x, result: [n][width], float32.
  at::Tensor operator()(const at::Tensor& x) const;
};

device_norm upload(const uploader& to, const norm_part& part);

/// One product for what reads the same rows.
struct device_linear {
  at::Tensor weight;  // [out][in]
  at::Tensor bias;    // [out]; undefined: none

  /// x: [n][in], float32. result: [n][out], float32.
  at::Tensor operator()(const at::Tensor& x) const;
};

device_linear upload(const uploader& to,
                     std::initializer_list<const linear_part*> parts);

struct device_layer {
  device_norm attention_norm;
  device_linear query_key_value;
  device_linear attention_out;
  device_norm feed_forward_norm;
  bool gated;
  device_linear gate_up;  // or only up
  device_linear down;
};

device_layer upload(const uploader& to, const decoder_layer& layer);

}  // namespace lamina

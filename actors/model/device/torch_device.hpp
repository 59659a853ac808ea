// What libtorch calls our devices and element types, and memory of ours as
// tensors.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cassert>
#include <vector>

#include "actors/model/device/compute_device.hpp"
#include "actors/model/kernels/matrix.hpp"
#include "protocol/site.hpp"

namespace lamina {

inline c10::Device torch_device(compute_device device) {
  if (device.kind == device_kind::cuda)
    return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device.index)};
  return c10::Device(c10::DeviceType::CPU);
}

inline c10::ScalarType torch_type(dtype element) {
  switch (element) {
    case dtype::bfloat16:
      return c10::ScalarType::BFloat16;
    case dtype::float16:
      return c10::ScalarType::Half;
    case dtype::float32:
      break;
  }
  return c10::ScalarType::Float;
}

/// Of row-major elements.
inline c10::ScalarType torch_type(weight_type element) {
  assert(element != weight_type::int8);
  return element == weight_type::bfloat16 ? c10::ScalarType::BFloat16
                                          : c10::ScalarType::Float;
}

/// A tensor over memory of ours, to be read only, while the memory lasts:
/// libtorch takes a mutable pointer also for that.
inline at::Tensor as_tensor(const void* elements, c10::IntArrayRef sizes,
                            c10::ScalarType type) {
  return at::from_blob(const_cast<void*>(elements), sizes,
                       at::TensorOptions(type));
}

/// [values.size()] of float or int64 on the device, in memory of its own.
template <class T>
at::Tensor copied_to(c10::Device device, const std::vector<T>& values) {
  const auto type = c10::CppTypeToScalarType<T>::value;
  return as_tensor(values.data(), {static_cast<std::int64_t>(values.size())},
                   type)
      .to(device, type, /*non_blocking=*/false, /*copy=*/true);
}

}  // namespace lamina

// What libtorch calls our devices and element types.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cassert>

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

}  // namespace lamina

#include "actors/model/device/compute_device.hpp"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/api/include/torch/version.h>
#ifdef LAMINA_CUDA
#include <cuda_runtime_api.h>
#endif

#include "actors/model/device/torch_device.hpp"
#include "actors/model/machine_memory.hpp"

namespace lamina {
namespace {

std::uint32_t cuda_devices() {
  return static_cast<std::uint32_t>(
      c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount());
}

}  // namespace

// Whether the library with CUDA's kernels is there shows at run time only: it
// registers itself when it is loaded.
result<void> check_device(compute_device device) {
  if (device.kind != device_kind::cuda) return success();
  const std::string where = "device " + to_string(device) + ": ";
  if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA))
    return fail(error_code::unsupported,
                where + "this libtorch (" TORCH_VERSION ") has no CUDA");
  const std::uint32_t count = cuda_devices();
  if (device.index < count) return success();
  return fail(error_code::unsupported,
              where + "this machine has " + std::to_string(count) +
                  " CUDA device(s) that libtorch " TORCH_VERSION " can use");
}

std::uint64_t available_bytes(compute_device device) {
  if (device.kind != device_kind::cuda) return available_memory_bytes();
#ifdef LAMINA_CUDA
  const c10::DeviceGuard here(torch_device(device));
  std::size_t free = 0, total = 0;
  if (::cudaMemGetInfo(&free, &total) == cudaSuccess) return free;
#endif
  return 0;
}

std::string matmul_path(compute_device device) {
  return "libtorch " TORCH_VERSION " on " +
         (device.kind == device_kind::torch ? "the CPU" : to_string(device));
}

}  // namespace lamina

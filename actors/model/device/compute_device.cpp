#include "actors/model/device/compute_device.hpp"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/api/include/torch/version.h>
#ifdef LAMINA_CUDA
#include <cuda_runtime_api.h>
#endif

#include <charconv>

#include "actors/model/device/torch_device.hpp"
#include "actors/model/machine_memory.hpp"

namespace lamina {
namespace {

std::uint32_t cuda_devices() {
  return static_cast<std::uint32_t>(
      c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount());
}

}  // namespace

std::string_view kind_name(device_kind kind) {
  switch (kind) {
    case device_kind::cpu:
      return "cpu";
    case device_kind::torch:
      return "torch";
    case device_kind::cuda:
      break;
  }
  return "cuda";
}

std::string to_string(compute_device device) {
  const std::string kind(kind_name(device.kind));
  if (device.kind != device_kind::cuda) return kind;
  return kind + ":" + std::to_string(device.index);
}

result<compute_device> read_device(std::string_view text) {
  constexpr std::string_view numbered = "cuda:";
  if (text == "cpu") return compute_device{device_kind::cpu, 0};
  if (text == "torch") return compute_device{device_kind::torch, 0};
  if (text == "cuda") return compute_device{device_kind::cuda, 0};
  std::uint8_t index = 0;  // more of them torch cannot name
  const char* end = text.data() + text.size();
  if (text.starts_with(numbered)) {
    const auto read =
        std::from_chars(text.data() + numbered.size(), end, index);
    if (read.ec == std::errc() && read.ptr == end && index < 128)
      return compute_device{device_kind::cuda, index};
  }
  return fail(error_code::invalid_argument,
              "'" + std::string(text) + "' is not cpu, cuda, cuda:N or torch");
}

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

// Where a model computes. No torch in this header; any thread.
//
//   cpu      our own kernels (actors/model/kernels), on host memory
//   cuda:N   libtorch's operators on a GPU (device/decoder.cpp)
//   torch    the same operators on the CPU: a reference, and how the path of
//            the GPU is tested where there is none
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace lamina {

enum class device_kind : std::uint8_t { cpu, torch, cuda };

struct compute_device {
  device_kind kind = device_kind::cpu;
  std::uint32_t index = 0;  // of a cuda device

  friend bool operator==(const compute_device&,
                         const compute_device&) = default;
};

/// "cpu", "torch", "cuda". Part of a root: numbers differ in their last digits
/// from kind to kind.
std::string_view kind_name(device_kind kind);

/// "cpu", "torch", "cuda:0".
std::string to_string(compute_device device);

/// "cpu", "torch", "cuda" (the first) or "cuda:N"; else `invalid_argument`.
result<compute_device> read_device(std::string_view text);

/// `unsupported` where this libtorch has no such device.
result<void> check_device(compute_device device);

/// What is free on a device that `check_device` found; of the process's memory
/// for the others. 0 when it does not say.
std::uint64_t available_bytes(compute_device device);

/// What KV caches may take of what is free beside the weights: the rest stays
/// for what a step computes with.
constexpr std::uint64_t kv_share_of(std::uint64_t free_bytes) {
  return free_bytes / 5 * 4;
}

/// "libtorch 2.7.1 on cuda:0", what multiplies matrices there.
std::string matmul_path(compute_device device);

}  // namespace lamina

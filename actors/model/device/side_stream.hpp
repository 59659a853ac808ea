// Copies from a device into the host's memory that go on beside what the
// device computes. On a GPU: into pinned memory, on a stream of its own that
// waits for the computation by an event, and that the host waits for once. On
// the CPU: plain copies. No CUDA in the code: c10's generic streams and events
// find it at run time.
//
// Owned by the state of one engine's passes; its thread.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <optional>

namespace lamina {

/// Host memory that a device can write to while it computes: pinned where
/// that is a GPU.
at::Tensor host_buffer(c10::Device device, at::IntArrayRef sizes,
                       c10::ScalarType type);

class side_stream {
 public:
  explicit side_stream(c10::Device device);

  /// Begins to copy what the device's present work leaves in `from`, which
  /// nobody may write to until `wait` was called. `to`: of `host_buffer`.
  void copy(const at::Tensor& from, const at::Tensor& to);

  /// Until all that was begun is there.
  void wait();

 private:
  c10::Device device_;
  std::optional<c10::Stream> stream_;  // none: copies are plain
};

}  // namespace lamina

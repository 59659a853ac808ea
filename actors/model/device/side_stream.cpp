#include "actors/model/device/side_stream.hpp"

#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace lamina {

at::Tensor host_buffer(c10::Device device, at::IntArrayRef sizes,
                       c10::ScalarType type) {
  return at::empty(sizes,
                   at::TensorOptions(type).pinned_memory(!device.is_cpu()));
}

side_stream::side_stream(c10::Device device) : device_(device) {
  if (!device.is_cpu())
    stream_ = c10::impl::VirtualGuardImpl(device.type())
                  .getStreamFromGlobalPool(device);
}

void side_stream::copy(const at::Tensor& from, const at::Tensor& to) {
  if (!stream_) {
    to.copy_(from);
    return;
  }
  c10::Event computed(device_.type());
  computed.record(
      c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  computed.block(*stream_);
  const c10::StreamGuard here(*stream_);
  to.copy_(from, /*non_blocking=*/true);
}

void side_stream::wait() {
  if (stream_) stream_->synchronize();
}

}  // namespace lamina

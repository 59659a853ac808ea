// A decoder whose parts, caches and rows are on a device (the same parts as
// arch/decoder.hpp has, so that families need no code of their own), computed
// with libtorch's operators. Rows that are captured leave it beside the
// computation; only numbers of the lens and the logits that a token is drawn
// from come back otherwise.
//
// Parts are copied to the device while it is made, and not needed afterwards.
#pragma once

#include <memory>

#include "actors/model/arch/decoder.hpp"
#include "actors/model/device/compute_device.hpp"

namespace lamina {

/// `device` is not the CPU of our own kernels. Throws what libtorch throws.
std::unique_ptr<const architecture> make_device_decoder(
    const model_shape& shape, dtype compute, compute_device device,
    const decoder_parts& parts);

}  // namespace lamina

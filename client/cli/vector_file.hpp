// One vector from a file: a probe's direction, a steering vector, a row of
// activations. Reads .npy (versions 1 to 3; <f2, <f4, <f8) and .safetensors
// (F16, BF16, F32, F64); formats as in tensor_files.hpp.
#pragma once

#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace lamina::cli {

/// The vector as float32. `tensor` names one of a .safetensors file; empty: the
/// only one. Shapes [width] and [1, ..., 1, width] are vectors.
/// invalid_argument for anything else, with what it is; io_error.
result<std::vector<float>> read_vector(const std::string& path,
                                       const std::string& tensor);

}  // namespace lamina::cli

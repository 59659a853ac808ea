// Activations as files that other tools open: safetensors keeps the model's
// own element type, one tensor a slot; .npy is one float32 array for numpy.
//
// Formats: https://huggingface.co/docs/safetensors (header length in 8 bytes,
// JSON header, data) and NEP 1 of numpy (version 1.0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/cpp/activation_array.hpp"
#include "protocol/error.hpp"

namespace lamina::cli {

/// Length and JSON header, padded with spaces to a multiple of 8. Tensors
/// "resid_post.5" of [positions, width]; `__metadata__` has conversation,
/// positions, model, source and exact.
std::string safetensors_header(const activation_array& activations,
                               const std::string& model);

/// A header of that form from its JSON: its length in 8 bytes before it.
std::string framed_header(const nlohmann::ordered_json& header);

/// "F32", "BF16", "F16".
std::string_view safetensors_dtype(dtype type);

/// Magic, version and dictionary of a float32 array [slots, positions,
/// width], padded to a multiple of 64.
std::string npy_header(const activation_array& activations);
/// The same for another shape.
std::string npy_header(std::span<const std::uint64_t> shape);

/// The values, little-endian, as float32; bfloat16 and float16 exactly.
std::vector<float> to_float32(std::span<const std::byte> values, dtype type);

/// Writes PATH, whole or not at all, in the format its name ends in.
/// invalid_argument for a name that ends neither in .safetensors nor .npy;
/// io_error, disk_full.
result<void> write_activations(const std::string& path,
                               const activation_array& activations,
                               const std::string& model);

/// The check on the name alone, for asking before the daemon works.
result<void> check_output_name(const std::string& path);

}  // namespace lamina::cli

// Reads a tuned lens from a safetensors file: for the embedding and each layer
// but the last a tensor N.weight [width][width] and N.bias [width], where N
// counts what Hugging Face calls hidden_states: 0 is the embedding, N the
// output of layer N - 1. Names may begin with layer_translators. or
// translators., all of them alike; biases may be missing, all of them. This is
// what the state dictionary of the tuned-lens package holds.
//
// float32 and bfloat16 are used in place, the file stays mapped; float16 is
// widened. Whatever else is in the file is refused: it would be a part of the
// lens that nobody applies.
#pragma once

#include <cstdint>
#include <filesystem>

#include "actors/lens/lens_maps.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Of a model with that many layers. not_found, io_error, corrupt,
/// unsupported; the sentence names the file and the tensor.
result<lens_maps_ptr> open_tuned_lens(const std::filesystem::path& file,
                                      std::uint32_t layers,
                                      std::uint32_t width);

}  // namespace lamina

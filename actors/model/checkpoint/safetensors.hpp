// Reader of the safetensors format
// (https://huggingface.co/docs/safetensors): an 8-byte little-endian header
// length, a JSON header that gives each tensor's dtype, shape and byte range,
// then the bytes. Nothing in the header is believed before it is checked:
// ranges lie inside the file, fit their shape, neither overlap nor leave
// holes, and no name comes twice. Errors are `corrupt` or `unsupported`.
//
// Pure functions over bytes; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"

namespace lamina {

/// One tensor of a file; `bytes` points into what was parsed.
struct tensor_view {
  std::string dtype;  // as the format spells it: "BF16"
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> bytes;

  std::uint64_t elements() const;
};

using tensor_map = std::map<std::string, tensor_view, std::less<>>;

/// Bounds on what a header may claim.
inline constexpr std::uint64_t safetensors_header_bytes_max = 100u << 20;
inline constexpr std::uint32_t safetensors_depth_max = 4;
inline constexpr std::uint32_t safetensors_rank_max = 8;

/// `file` is the whole file. The views live as long as its bytes.
result<tensor_map> parse_safetensors(std::span<const std::byte> file);

/// "[512, 64]"
std::string shape_text(std::span<const std::uint64_t> shape);

}  // namespace lamina

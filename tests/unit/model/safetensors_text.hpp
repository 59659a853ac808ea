// Writing safetensors files in tests: tensors out of a file, into another.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/model/checkpoint/mapped_file.hpp"
#include "actors/model/checkpoint/safetensors.hpp"

namespace lamina::test {

struct named_tensor {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string bytes;
};

inline std::vector<named_tensor> read_tensors(
    const std::filesystem::path& file) {
  const auto mapped = mapped_file::open(file).value();
  std::vector<named_tensor> out;
  const auto parsed = parse_safetensors(mapped->bytes());
  for (const auto& [name, view] : parsed.value())
    out.push_back({name,
                   view.dtype,
                   view.shape,
                   {reinterpret_cast<const char*>(view.bytes.data()),
                    view.bytes.size()}});
  return out;
}

inline std::string safetensors_file(const std::vector<named_tensor>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::string bytes;
  for (const auto& t : tensors) {
    header[t.name] = {
        {"dtype", t.dtype},
        {"shape", t.shape},
        {"data_offsets", {bytes.size(), bytes.size() + t.bytes.size()}}};
    bytes += t.bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::string out(sizeof length, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  return out + text + bytes;
}

/// A float32 tensor, rounded.
inline named_tensor as_float16(const named_tensor& tensor) {
  named_tensor out = tensor;
  out.dtype = "F16";
  out.bytes.resize(tensor.bytes.size() / 2);
  for (std::size_t i = 0; i < out.bytes.size() / 2; ++i) {
    float wide = 0;
    std::memcpy(&wide, tensor.bytes.data() + 4 * i, sizeof wide);
    const auto half = static_cast<_Float16>(wide);
    std::memcpy(out.bytes.data() + 2 * i, &half, sizeof half);
  }
  return out;
}

}  // namespace lamina::test

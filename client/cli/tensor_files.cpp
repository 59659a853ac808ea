#include "client/cli/tensor_files.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <nlohmann/json.hpp>

#include "client/cli/output_file.hpp"
#include "protocol/floats.hpp"
#include "protocol/little_endian.hpp"

namespace lamina::cli {
namespace {

constexpr std::string_view safetensors_ending = ".safetensors";
constexpr std::string_view npy_ending = ".npy";

float float_at(const std::byte* at, dtype type) {
  switch (type) {
    case dtype::float32:
      return std::bit_cast<float>(load_little<std::uint32_t>(at));
    case dtype::bfloat16:
      return float_of_bfloat16(load_little<std::uint16_t>(at));
    case dtype::float16:
      return float_of_float16(load_little<std::uint16_t>(at));
  }
  return 0;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

std::string_view safetensors_dtype(dtype type) {
  switch (type) {
    case dtype::float32:
      return "F32";
    case dtype::bfloat16:
      return "BF16";
    case dtype::float16:
      return "F16";
  }
  return "";
}

std::string framed_header(const nlohmann::ordered_json& header) {
  std::string text = header.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::array<std::byte, 8> length;
  store_little<std::uint64_t>(length.data(), text.size());
  return std::string(reinterpret_cast<const char*>(length.data()),
                     length.size()) +
         text;
}

std::string safetensors_header(const activation_array& activations,
                               const std::string& model) {
  nlohmann::ordered_json header;
  header["__metadata__"] = {
      {"conversation", activations.conversation},
      {"positions", fmt::format("{}:{}", activations.position_begin,
                                activations.position_end)},
      {"model", model},
      {"source", activations.source},
      {"exact", activations.exact ? "true" : "false"},
      {"relative_error", fmt::format("{}", activations.relative_error)}};
  std::size_t begin = 0;
  for (const auto& slot : activations.slots) {
    const std::size_t end = begin + activations.slot_bytes();
    header[name_of(slot)] = {
        {"dtype", safetensors_dtype(activations.dtype)},
        {"shape", {activations.positions(), activations.width}},
        {"data_offsets", {begin, end}}};
    begin = end;
  }
  return framed_header(header);
}

std::string npy_header(const activation_array& activations) {
  const std::array<std::uint64_t, 3> shape{
      activations.slots.size(), activations.positions(), activations.width};
  return npy_header(shape);
}

std::string npy_header(std::span<const std::uint64_t> shape) {
  const std::string dictionary =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}",
                  fmt::join(shape, ", "));
  constexpr std::size_t before = 10;  // magic, version, length
  const std::size_t total = (before + dictionary.size() + 1 + 63) / 64 * 64;
  const std::size_t length = total - before;
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(length & 0xff);
  header += static_cast<char>(length >> 8);
  header += dictionary;
  header.resize(total - 1, ' ');
  return header + '\n';
}

std::vector<float> to_float32(std::span<const std::byte> values, dtype type) {
  std::vector<float> floats(values.size() / size_of(type));
  for (std::size_t i = 0; i < floats.size(); ++i)
    floats[i] = float_at(values.data() + i * size_of(type), type);
  return floats;
}

result<void> check_output_name(const std::string& path) {
  if (path.ends_with(safetensors_ending) || path.ends_with(npy_ending))
    return success();
  return fail(error_code::invalid_argument,
              "output '" + path + "' must end in .safetensors or .npy");
}

result<void> write_activations(const std::string& path,
                               const activation_array& activations,
                               const std::string& model) {
  BOOST_OUTCOME_TRYV(check_output_name(path));
  if (path.ends_with(safetensors_ending)) {
    const auto header = safetensors_header(activations, model);
    const std::array parts{bytes_of(header),
                           std::span<const std::byte>(activations.values)};
    return write_whole_file(path, parts);
  }
  const auto header = npy_header(activations);
  // The header says '<f4'.
  static_assert(std::endian::native == std::endian::little);
  const auto floats = to_float32(activations.values, activations.dtype);
  const std::array parts{bytes_of(header),
                         std::as_bytes(std::span<const float>(floats))};
  return write_whole_file(path, parts);
}

}  // namespace lamina::cli

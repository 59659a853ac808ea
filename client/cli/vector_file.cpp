#include "client/cli/vector_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

#include "client/cli/safetensors_file.hpp"
#include "client/cli/tensor_files.hpp"
#include "protocol/limits.hpp"
#include "protocol/little_endian.hpp"

namespace lamina::cli {
namespace {

/// More than one vector of the largest width is no probe; a checkpoint named by
/// mistake must not be read whole.
constexpr std::uint64_t bytes_max = std::uint64_t{256} << 20;

auto wrong(const std::string& path, std::string_view sentence) {
  return fail(error_code::invalid_argument,
              fmt::format("'{}' {}", path, sentence));
}

result<void> check_size(const std::string& path, std::uint64_t size) {
  if (size <= bytes_max) return success();
  return fail(error_code::limit_exceeded,
              fmt::format("'{}' would take {} bytes; a vector has at most {}",
                          path, size, bytes_max));
}

result<std::string> read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file)
    return fail(error_code::io_error, fmt::format("cannot open '{}'", path));
  const auto size = static_cast<std::uint64_t>(file.tellg());
  BOOST_OUTCOME_TRYV(check_size(path, size));
  std::string bytes(size, '\0');
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!file)
    return fail(error_code::io_error, fmt::format("cannot read '{}'", path));
  return bytes;
}

struct tensor_bytes {
  std::string dtype;  // in safetensors' words
  std::vector<std::uint64_t> shape;
  std::string_view values;
};

std::vector<float> from_float64(std::span<const std::byte> values) {
  std::vector<float> floats(values.size() / sizeof(double));
  for (std::size_t i = 0; i < floats.size(); ++i)
    floats[i] = static_cast<float>(std::bit_cast<double>(
        load_little<std::uint64_t>(values.data() + i * sizeof(double))));
  return floats;
}

std::string text_of(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::optional<dtype> dtype_of(std::string_view name) {
  if (name == "F32") return dtype::float32;
  if (name == "BF16") return dtype::bfloat16;
  if (name == "F16") return dtype::float16;
  return std::nullopt;
}

result<std::vector<float>> vector_of(const std::string& path,
                                     const tensor_bytes& tensor) {
  const auto larger_than_one = [](std::uint64_t n) { return n != 1; };
  const auto& shape = tensor.shape;
  if (shape.empty() ||
      std::any_of(shape.begin(), shape.end() - 1, larger_than_one))
    return wrong(
        path, "holds a tensor of shape " + text_of(shape) + ", not a vector");
  const auto width = shape.back();
  if (width == 0 || width > limits::request_payload_bytes_max / sizeof(float))
    return wrong(path, fmt::format("holds a vector of {} elements", width));
  const bool is_double = tensor.dtype == "F64";
  const auto narrow = dtype_of(tensor.dtype);
  if (!is_double && !narrow)
    return wrong(path, "holds a tensor of type " + tensor.dtype +
                           "; F16, BF16, F32 and F64 can be read");
  const auto element = is_double ? sizeof(double) : size_of(*narrow);
  if (tensor.values.size() != width * element)
    return wrong(path, "does not hold as many bytes as its shape needs");
  const auto bytes = std::as_bytes(std::span(tensor.values));
  return is_double ? from_float64(bytes) : to_float32(bytes, *narrow);
}

// ---- .npy -------------------------------------------------------------------

/// What stands after 'key': in the header's Python dictionary.
std::optional<std::string_view> after_key(std::string_view dictionary,
                                          std::string_view key) {
  const auto at = dictionary.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return std::nullopt;
  auto rest = dictionary.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

std::string dtype_of_descr(std::string_view descr) {
  for (const auto& [npy, name] :
       {std::pair<std::string_view, const char*>{"'<f2'", "F16"},
        {"'<f4'", "F32"},
        {"'<f8'", "F64"}})
    if (descr.starts_with(npy)) return name;
  return std::string(descr.substr(0, descr.find(',')));
}

/// "(1, 64)" and "(64,)"; nothing when it is no tuple of numbers.
std::optional<std::vector<std::uint64_t>> shape_of(std::string_view tuple) {
  const auto end = tuple.find(')');
  if (!tuple.starts_with('(') || end == std::string_view::npos)
    return std::nullopt;
  std::vector<std::uint64_t> shape;
  std::uint64_t number = 0;
  bool digits = false;
  for (const char c : tuple.substr(1, end - 1)) {
    if (c >= '0' && c <= '9') {
      if (number > limits::request_payload_bytes_max) return std::nullopt;
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
      digits = true;
    } else if (c == ',' && digits) {
      shape.push_back(std::exchange(number, 0));
      digits = false;
    } else if (c != ' ') {
      return std::nullopt;
    }
  }
  if (digits) shape.push_back(number);
  return shape;
}

result<tensor_bytes> parse_npy(const std::string& path, std::string_view file) {
  constexpr std::size_t fixed = 8;  // magic and version
  const auto bytes = std::as_bytes(std::span(file));
  const bool begins = file.starts_with("\x93NUMPY") && file.size() >= fixed + 4;
  if (!begins) return wrong(path, "is no .npy file");
  const bool wide = file[6] >= 2;  // versions 2 and 3: a longer length
  const std::size_t length =
      wide ? load_little<std::uint32_t>(bytes.data() + fixed)
           : load_little<std::uint16_t>(bytes.data() + fixed);
  const std::size_t begin = fixed + (wide ? 4 : 2);
  if (file.size() - begin < length) return wrong(path, "is cut short");
  const auto dictionary = file.substr(begin, length);
  const auto descr = after_key(dictionary, "descr");
  const auto shape = after_key(dictionary, "shape");
  if (!descr || !shape) return wrong(path, "has a header without a shape");
  auto numbers = shape_of(*shape);
  if (!numbers) return wrong(path, "has a shape that cannot be read");
  return tensor_bytes{dtype_of_descr(*descr), std::move(*numbers),
                      file.substr(begin + length)};
}

// ---- .safetensors -----------------------------------------------------------

/// The tensor of this name, or the only one.
result<std::string> choose_tensor(const safetensors_file& file,
                                  const std::string& wanted) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors())
    names.push_back(name);
  if (wanted.empty() && names.size() == 1) return names.front();
  if (file.tensors().contains(wanted)) return wanted;
  constexpr std::size_t examples_max = 5;
  const auto more = names.size() > examples_max;
  if (more) names.resize(examples_max);
  return wrong(file.path(),
               fmt::format("{}: it holds {}{}",
                           wanted.empty() ? "needs a choice by --tensor"
                                          : "has no tensor '" + wanted + "'",
                           fmt::join(names, ", "), more ? ", ..." : ""));
}

result<std::vector<float>> read_safetensors(const std::string& path,
                                            const std::string& wanted) {
  BOOST_OUTCOME_TRY(file, safetensors_file::open(path));
  BOOST_OUTCOME_TRY(name, choose_tensor(file, wanted));
  const auto& tensor = file.tensors().at(name);
  BOOST_OUTCOME_TRYV(check_size(path, tensor.bytes));
  std::string values(tensor.bytes, '\0');
  BOOST_OUTCOME_TRYV(
      file.read(tensor, 0, std::as_writable_bytes(std::span(values))));
  return vector_of(path, {tensor.dtype, tensor.shape, values});
}

result<std::vector<float>> read_npy(const std::string& path) {
  BOOST_OUTCOME_TRY(file, read_whole(path));
  BOOST_OUTCOME_TRY(found, parse_npy(path, file));
  return vector_of(path, found);
}

}  // namespace

result<std::vector<float>> read_vector(const std::string& path,
                                       const std::string& tensor) {
  const bool npy = path.ends_with(".npy");
  if (!npy && !path.ends_with(".safetensors"))
    return wrong(path, "must end in .npy or .safetensors");
  return npy ? read_npy(path) : read_safetensors(path, tensor);
}

}  // namespace lamina::cli

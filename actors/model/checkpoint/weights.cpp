#include "actors/model/checkpoint/weights.hpp"

#include <optional>
#include <utility>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/model/kernels/rows.hpp"

namespace lamina {
namespace {

std::optional<dtype> element_of(const tensor_view& tensor) {
  if (tensor.dtype == "F32") return dtype::float32;
  if (tensor.dtype == "BF16") return dtype::bfloat16;
  if (tensor.dtype == "F16") return dtype::float16;
  return std::nullopt;
}

bool aligned_for(const std::byte* address, dtype element) {
  return reinterpret_cast<std::uintptr_t>(address) % size_of(element) == 0;
}

// bfloat16 is kept in either mode; everything else becomes what is computed
// with.
dtype element_in_memory(dtype stored, dtype compute) {
  return stored == dtype::bfloat16 ? dtype::bfloat16 : compute;
}

void convert(const tensor_view& tensor, dtype from, std::size_t rows,
             std::size_t columns, dtype to, std::byte* out) {
  std::vector<float> wide(columns);
  for (std::size_t r = 0; r < rows; ++r) {
    widen_row(tensor.bytes.subspan(r * columns * size_of(from),
                                   columns * size_of(from)),
              from, wide);
    narrow_row(wide.data(), columns, to, out + r * columns * size_of(to));
  }
}

}  // namespace

weights_reader::weights_reader(checkpoint files, dtype compute)
    : memory_(std::make_shared<weight_memory>()), compute_(compute) {
  memory_->files = std::move(files);
}

result<const tensor_view*> weights_reader::take(
    const std::string& name, std::vector<std::uint64_t> shape) {
  const auto found = memory_->files.tensors.find(name);
  if (found == memory_->files.tensors.end())
    return fail(error_code::corrupt, "tensor '" + name + "' is missing");
  const tensor_view& tensor = found->second;
  if (tensor.shape != shape)
    return fail(error_code::corrupt,
                "tensor '" + name + "' is " + shape_text(tensor.shape) +
                    ", config.json demands " + shape_text(shape));
  if (!element_of(tensor))
    return fail(error_code::unsupported,
                "tensor '" + name + "' is " + tensor.dtype +
                    ", supported are F32, BF16 and F16");
  if (taken_.insert(name).second) parameters_ += tensor.elements();
  return &tensor;
}

result<matrix> weights_reader::matrix_of(const std::string& name,
                                         std::uint32_t rows,
                                         std::uint32_t columns) {
  BOOST_OUTCOME_TRY(tensor, take(name, {rows, columns}));
  const dtype stored = *element_of(*tensor);
  const dtype element = element_in_memory(stored, compute_);
  if (element == stored && aligned_for(tensor->bytes.data(), stored))
    return matrix{tensor->bytes.data(), element, rows, columns};
  auto copy = std::make_unique_for_overwrite<std::byte[]>(
      std::size_t{rows} * columns * size_of(element));
  convert(*tensor, stored, rows, columns, element, copy.get());
  memory_->converted.push_back(std::move(copy));
  return matrix{memory_->converted.back().get(), element, rows, columns};
}

result<std::vector<float>> weights_reader::vector(const std::string& name,
                                                  std::uint32_t length) {
  BOOST_OUTCOME_TRY(tensor, take(name, {length}));
  std::vector<float> wide(length);
  widen_row(tensor->bytes, *element_of(*tensor), wide);
  return wide;
}

result<void> weights_reader::check_all_taken() const {
  for (const auto& [name, tensor] : memory_->files.tensors)
    if (!taken_.contains(name))
      return fail(error_code::unsupported,
                  "tensor '" + name + "' is not part of the architecture");
  return success();
}

}  // namespace lamina

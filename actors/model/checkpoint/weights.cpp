#include "actors/model/checkpoint/weights.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
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

bool aligned_to(std::size_t bytes, const std::byte* address) {
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

// Where tensors begin depends on how long the file's header happens to be.
// Kernels read a matrix that begins at a cache line up to a seventh faster, so
// others are copied, unless that takes more than half of the memory there is.
bool worth_aligning(std::size_t checkpoint_bytes) {
  const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return checkpoint_bytes <= pages / 2 * page;
}

// The file's pages of a tensor that was copied are not needed any more.
void let_go(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t first = (begin + page - 1) / page * page;
  const std::uintptr_t last = (begin + bytes.size()) / page * page;
  // Advice: whether it is taken does not matter.
  if (first < last)
    ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
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
  std::size_t bytes = 0;
  for (const auto& file : memory_->files.files)
    bytes += file->bytes().size();
  align_ = worth_aligning(bytes);
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
  // Rounding the input is for bfloat16 weights only; see matrix::input.
  const dtype input = element == dtype::bfloat16 ? compute_ : dtype::float32;
  const std::byte* from = tensor->bytes.data();
  const std::size_t wanted = align_ ? matrix_alignment : size_of(stored);
  if (element == stored && aligned_to(wanted, from))
    return matrix{from, element, rows, columns, input};
  const std::size_t size = std::size_t{rows} * columns * size_of(element);
  std::unique_ptr<std::byte[], aligned_delete> copy(
      new (std::align_val_t{matrix_alignment}) std::byte[size]);
  if (element == stored)
    std::memcpy(copy.get(), from, size);
  else
    convert(*tensor, stored, rows, columns, element, copy.get());
  let_go(tensor->bytes);
  memory_->copies.push_back(std::move(copy));
  return matrix{memory_->copies.back().get(), element, rows, columns, input};
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

#include "actors/model/checkpoint/weights.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
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

void convert(const tensor_view& tensor, dtype from, const matrix& shape,
             std::byte* out) {
  const std::size_t columns = shape.columns;
  std::vector<float> wide(columns);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    widen_row(tensor.bytes.subspan(r * columns * size_of(from),
                                   columns * size_of(from)),
              from, wide);
    narrow_row(wide.data(), columns, shape.element,
               out + r * shape.row_bytes());
  }
}

// Stored [columns][rows]. A few stored rows at a time, so that each write to
// `out` goes over a whole cache line.
void turn(const tensor_view& tensor, dtype from, const matrix& shape,
          std::byte* out) {
  constexpr std::size_t together = 32;
  const std::size_t stored_bytes = shape.rows * size_of(from);
  const std::size_t element = size_of(shape.element);
  std::vector<float> wide(together * shape.rows);
  std::vector<float> turned(together);
  for (std::size_t c = 0; c < shape.columns; c += together) {
    const std::size_t count = std::min(together, shape.columns - c);
    widen_row(tensor.bytes.subspan(c * stored_bytes, count * stored_bytes),
              from, std::span(wide).first(count * shape.rows));
    for (std::size_t r = 0; r < shape.rows; ++r) {
      for (std::size_t i = 0; i < count; ++i)
        turned[i] = wide[i * shape.rows + r];
      narrow_row(turned.data(), count, shape.element,
                 out + r * shape.row_bytes() + c * element);
    }
  }
}

}  // namespace

// Where tensors begin depends on how long the file's header happens to be.
// Kernels read a matrix that begins at a cache line up to a seventh faster, so
// others are copied, unless that takes more than half of the memory there is.
weights_reader::weights_reader(checkpoint files, weights_options options)
    : memory_(std::make_shared<weight_memory>()), options_(options) {
  memory_->files = std::move(files);
  align_ = memory_->files.bytes() <= options_.memory_bytes / 2;
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

// How a stored matrix is kept. Rounding the input is for bfloat16 weights only;
// see matrix::input.
matrix weights_reader::shape_of(dtype stored, std::uint32_t rows,
                                std::uint32_t columns) const {
  const dtype element = element_in_memory(stored, options_.compute);
  const dtype input =
      element == dtype::bfloat16 ? options_.compute : dtype::float32;
  return {nullptr, element, rows, columns, input};
}

// Room for a copy; null while only counting.
std::byte* weights_reader::copy_of(const matrix& m) {
  if (options_.counting) return nullptr;
  memory_->copies.emplace_back(new (std::align_val_t{matrix_alignment})
                                   std::byte[m.bytes()]);
  return memory_->copies.back().get();
}

result<matrix> weights_reader::matrix_of(const std::string& name,
                                         std::uint32_t rows,
                                         std::uint32_t columns) {
  BOOST_OUTCOME_TRY(tensor, take(name, {rows, columns}));
  const dtype stored = *element_of(*tensor);
  matrix m = shape_of(stored, rows, columns);
  const std::byte* from = tensor->bytes.data();
  const std::size_t wanted = align_ ? matrix_alignment : size_of(stored);
  const bool same = m.element == stored;
  if (same && aligned_to(wanted, from)) {
    placement_.mapped_bytes += m.bytes();
    m.elements = from;
    return m;
  }
  (same ? placement_.aligned_bytes : placement_.converted_bytes) += m.bytes();
  if (std::byte* copy = copy_of(m)) {
    if (same)
      std::memcpy(copy, from, m.bytes());
    else
      convert(*tensor, stored, m, copy);
    let_go(tensor->bytes);
    m.elements = copy;
  }
  return m;
}

result<matrix> weights_reader::matrix_turned(const std::string& name,
                                             std::uint32_t rows,
                                             std::uint32_t columns) {
  BOOST_OUTCOME_TRY(tensor, take(name, {columns, rows}));
  const dtype stored = *element_of(*tensor);
  matrix m = shape_of(stored, rows, columns);
  placement_.turned_bytes += m.bytes();
  if (std::byte* copy = copy_of(m)) {
    turn(*tensor, stored, m, copy);
    let_go(tensor->bytes);
    m.elements = copy;
  }
  return m;
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

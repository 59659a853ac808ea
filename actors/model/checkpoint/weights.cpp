#include "actors/model/checkpoint/weights.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/model/kernels/rows.hpp"
#include "actors/model/kernels/team.hpp"

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
weight_type element_in_memory(dtype stored, dtype compute) {
  return stored == dtype::bfloat16 || compute == dtype::bfloat16
             ? weight_type::bfloat16
             : weight_type::float32;
}

bool same(weight_type kept, dtype stored) {
  return kept == weight_type::float32 ? stored == dtype::float32
                                      : stored == dtype::bfloat16;
}

void narrow(const float* x, std::size_t count, weight_type element,
            std::byte* out) {
  narrow_row(x, count,
             element == weight_type::float32 ? dtype::float32 : dtype::bfloat16,
             out);
}

void convert(const tensor_view& tensor, dtype from, const matrix& shape,
             std::byte* out) {
  const std::size_t columns = shape.columns;
  std::vector<float> wide(columns);
  for (std::size_t r = 0; r < shape.rows; ++r) {
    widen_row(tensor.bytes.subspan(r * columns * size_of(from),
                                   columns * size_of(from)),
              from, wide);
    narrow(wide.data(), columns, shape.element, out + r * shape.row_bytes());
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
      narrow(turned.data(), count, shape.element,
             out + r * shape.row_bytes() + c * element);
    }
  }
}

// The outputs of a matrix among those of a tensor, which is stored [outputs]
// [columns], or turned, [columns][outputs].
struct outputs_of {
  const tensor_view& tensor;
  dtype stored;
  bool turned;
  std::size_t first;  // of the matrix, in the tensor
  std::size_t columns;

  std::size_t in_tensor() const { return tensor.shape[turned ? 1 : 0]; }

  // Widened. out: [count][columns]; a block of outputs at most.
  void read(std::size_t from, std::size_t count, std::span<float> out) const {
    const std::size_t element = size_of(stored);
    from += first;
    if (!turned)
      return widen_row(tensor.bytes.subspan(from * columns * element,
                                            count * columns * element),
                       stored, out);
    std::array<float, block_rows> wide;
    for (std::size_t c = 0; c < columns; ++c) {
      widen_row(tensor.bytes.subspan((c * in_tensor() + from) * element,
                                     count * element),
                stored, std::span(wide).first(count));
      for (std::size_t i = 0; i < count; ++i)
        out[i * columns + c] = wide[i];
    }
  }
};

quantisation_error quantise(const outputs_of& from, const matrix& shape,
                            std::byte* to, float* scales) {
  std::vector<quantisation_error> errors(shape.blocks());
  for_each_unit(shape.blocks(), true, [&](std::uint32_t block) {
    const std::size_t first = std::size_t{block} * block_rows;
    const std::size_t count =
        std::min<std::size_t>(block_rows, shape.rows - first);
    std::vector<float> wide(count * shape.columns);
    from.read(first, count, wide);
    quantise_block(wide, shape.columns,
                   reinterpret_cast<std::int8_t*>(to) + first * shape.columns,
                   scales + first, errors[block]);
  });
  quantisation_error all;
  for (const auto& e : errors)
    all.add(e);
  return all;
}

}  // namespace

// Where tensors begin depends on how long the file's header happens to be.
// Kernels read a matrix that begins at a cache line up to a seventh faster, so
// others are copied, unless that takes more than half of the memory there is.
weights_reader::weights_reader(checkpoint files, weights_options options)
    : memory_(std::make_shared<weight_memory>()), options_(options) {
  memory_->files = std::move(files);
  align_ = options_.device.kind == device_kind::cpu &&
           memory_->files.bytes() <= options_.memory_bytes / 2;
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
  const weight_type element = element_in_memory(stored, options_.compute);
  const dtype input =
      element == weight_type::bfloat16 ? options_.compute : dtype::float32;
  return {nullptr, element, rows, columns, input};
}

// Room for a copy; null while only counting.
std::byte* weights_reader::copy_of(const matrix& m) {
  if (options_.counting) return nullptr;
  memory_->copies.emplace_back(new (std::align_val_t{matrix_alignment})
                                   std::byte[m.bytes()]);
  return memory_->copies.back().get();
}

// tensor: [rows][columns], as wanted.
matrix weights_reader::in_place_or_copied(const tensor_view& tensor,
                                          bool align) {
  const dtype stored = *element_of(tensor);
  matrix m = shape_of(stored, static_cast<std::uint32_t>(tensor.shape[0]),
                      static_cast<std::uint32_t>(tensor.shape[1]));
  const std::byte* from = tensor.bytes.data();
  const std::size_t wanted = align ? matrix_alignment : size_of(stored);
  const bool as_stored = same(m.element, stored);
  if (as_stored && aligned_to(wanted, from)) {
    placement_.mapped_bytes += m.bytes();
    m.elements = from;
    return m;
  }
  (as_stored ? placement_.aligned_bytes : placement_.converted_bytes) +=
      m.bytes();
  if (std::byte* copy = copy_of(m)) {
    if (as_stored)
      std::memcpy(copy, from, m.bytes());
    else
      convert(tensor, stored, m, copy);
    let_go(tensor.bytes);
    m.elements = copy;
  }
  return m;
}

// Outputs `first` .. `first` + `rows` - 1 of a tensor.
result<matrix> weights_reader::quantised_copy(const std::string& name,
                                              const tensor_view& tensor,
                                              bool turned, std::uint32_t first,
                                              std::uint32_t rows) {
  const auto columns = static_cast<std::uint32_t>(tensor.shape[turned ? 0 : 1]);
  matrix m{nullptr, weight_type::int8, rows, columns, options_.compute};
  placement_.quantised_bytes += m.bytes() + padded_rows(rows) * sizeof(float);
  std::byte* copy = copy_of(m);
  if (copy == nullptr) return m;
  auto& scales = memory_->scales.emplace_back(padded_rows(rows));
  const quantisation_error error =
      quantise({tensor, *element_of(tensor), turned, first, columns}, m, copy,
               scales.data());
  if (!std::isfinite(error.squares))
    return fail(error_code::corrupt,
                "tensor '" + name +
                    "' has an element that is no finite number, which int8 "
                    "weights cannot hold");
  quantised_.add(error);
  let_go(tensor.bytes);
  m.elements = copy;
  m.scales = scales.data();
  return m;
}

// Only what is multiplied gains by its alignment; a table beside quantised
// weights is not.
result<matrix> weights_reader::table_of(const std::string& name,
                                        std::uint32_t rows,
                                        std::uint32_t columns) {
  BOOST_OUTCOME_TRY(tensor, take(name, {rows, columns}));
  return in_place_or_copied(*tensor,
                            align_ && options_.format == weight_format::stored);
}

result<matrix> weights_reader::matrix_of(const std::string& name,
                                         std::uint32_t rows,
                                         std::uint32_t columns) {
  BOOST_OUTCOME_TRY(tensor, take(name, {rows, columns}));
  if (options_.format == weight_format::int8)
    return quantised_copy(name, *tensor, false, 0, rows);
  return in_place_or_copied(*tensor, align_);
}

result<std::vector<matrix>> weights_reader::matrices_turned(
    const std::string& name, std::uint32_t count, std::uint32_t rows,
    std::uint32_t columns) {
  BOOST_OUTCOME_TRY(tensor, take(name, {columns, count * rows}));
  std::vector<matrix> out;
  if (options_.format == weight_format::int8) {
    for (std::uint32_t i = 0; i < count; ++i) {
      BOOST_OUTCOME_TRY(m, quantised_copy(name, *tensor, true, i * rows, rows));
      out.push_back(m);
    }
    return out;
  }
  const dtype stored = *element_of(*tensor);
  matrix all = shape_of(stored, count * rows, columns);
  placement_.turned_bytes += all.bytes();
  if (std::byte* copy = copy_of(all)) {
    turn(*tensor, stored, all, copy);
    let_go(tensor->bytes);
    all.elements = copy;
  }
  for (std::uint32_t i = 0; i < count; ++i)
    out.push_back(all.slice(i * rows, rows));
  return out;
}

result<matrix> weights_reader::matrix_of_table(const std::string& name,
                                               const matrix& table) {
  if (options_.format == weight_format::stored) return table;
  return matrix_of(name, table.rows, table.columns);
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

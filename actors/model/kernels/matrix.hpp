// A weight matrix as the kernels see it: elements that somebody else owns
// (a memory-mapped checkpoint or a converted copy), read-only, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/site.hpp"

namespace lamina {

inline constexpr std::size_t matrix_alignment = 64;  // a cache line

/// How the elements of a matrix are kept.
enum class weight_type : std::uint8_t {
  float32,
  bfloat16,
  /// Whole numbers from -127 to 127, to be multiplied with a scale that each
  /// row has of its own (quantise.hpp). Sixteen rows together, column by
  /// column, so that kernels read one stretch of memory from end to end and a
  /// register holds a column of all sixteen.
  int8,
};

inline constexpr std::uint32_t block_rows = 16;  // of int8

constexpr std::size_t size_of(weight_type t) {
  return t == weight_type::float32 ? 4 : t == weight_type::bfloat16 ? 2 : 1;
}

/// Row-major [rows][columns], aligned for its element; int8: [rows / 16]
/// [columns][16], rows and their scales padded with zeros, aligned to
/// `matrix_alignment`, where kernels for the others are faster, too.
struct matrix {
  const std::byte* elements = nullptr;
  weight_type element = weight_type::float32;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  /// What is multiplied with it is rounded to this first. bfloat16 in models
  /// that compute in bfloat16, as everywhere; never beside float32 elements.
  dtype input = dtype::float32;
  const float* scales = nullptr;  // int8 only

  /// int8 only.
  std::uint32_t blocks() const { return (rows + block_rows - 1) / block_rows; }
  const std::int8_t* block(std::size_t b) const {
    return reinterpret_cast<const std::int8_t*>(elements) +
           b * block_rows * columns;
  }

  std::size_t bytes() const {
    return element == weight_type::int8
               ? std::size_t{blocks()} * block_rows * columns
               : rows * row_bytes();
  }

  /// What follows is of row-major elements.
  std::size_t row_bytes() const {
    return std::size_t{columns} * size_of(element);
  }
  const std::byte* row(std::size_t r) const {
    return elements + r * row_bytes();
  }
  /// Rows first .. first + count - 1.
  matrix slice(std::uint32_t first, std::uint32_t count) const {
    return {row(first), element, count, columns, input};
  }
  template <class T>
  const T* row_as(std::size_t r) const {
    return reinterpret_cast<const T*>(row(r));
  }
};

}  // namespace lamina

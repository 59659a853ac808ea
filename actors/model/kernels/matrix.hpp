// A weight matrix as the kernels see it: elements that somebody else owns
// (a memory-mapped checkpoint or a converted copy), read-only, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/site.hpp"

namespace lamina {

inline constexpr std::size_t matrix_alignment = 64;  // a cache line

/// Row-major [rows][columns], aligned for its element: float32 or bfloat16.
/// Kernels are faster where it begins at a multiple of `matrix_alignment`.
struct matrix {
  const std::byte* elements = nullptr;
  dtype element = dtype::float32;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  /// What is multiplied with it is rounded to this first. bfloat16 in models
  /// that compute in bfloat16, as everywhere; only beside bfloat16 elements.
  dtype input = dtype::float32;

  std::size_t row_bytes() const {
    return std::size_t{columns} * size_of(element);
  }
  std::size_t bytes() const { return rows * row_bytes(); }
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

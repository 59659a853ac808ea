// Verifying stored values: everything that reading one would find out. One
// object per thread keeps the memory that decoding needs.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "actors/chunks/stored_value.hpp"
#include "actors/codec/codec.hpp"

namespace lamina {

class verification {
 public:
  /// Checks checksum, header and what the store notes beside the value, and
  /// decodes all of it. corrupt, with what is wrong; not_found when all that it
  /// lacks is the code book it names, and `book` is null.
  result<stored_header> verify(const stored_value& value,
                               const capture_shape& shape,
                               const codebook* book = nullptr);

  /// [layer][row][width] of the value verified last.
  std::span<const std::byte> rows() const { return rows_; }

 private:
  std::vector<std::byte> rows_;
};

}  // namespace lamina

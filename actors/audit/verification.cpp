#include "actors/audit/verification.hpp"

#include <bit>
#include <string>

namespace lamina {
namespace {

auto corrupt(std::string what) {
  return fail(error_code::corrupt, "stored value: " + std::move(what));
}

/// The store keeps an error without its last byte (docs/storage-format.md).
std::uint32_t as_noted(float error) {
  return std::bit_cast<std::uint32_t>(error) & ~0xffu;
}

}  // namespace

result<stored_header> verification::verify(const stored_value& value,
                                           const capture_shape& shape,
                                           const codebook* book) {
  rows_.clear();
  BOOST_OUTCOME_TRY(header, check(value.key, value.bytes));
  if (header.shape != shape)
    return corrupt("of another shape than its conversation's model has");
  if (header.rows != value.rows)
    return corrupt("holds " + std::to_string(header.rows) +
                   " rows where the store notes " + std::to_string(value.rows));
  if (as_noted(header.errors.row) != as_noted(value.relative_error))
    return corrupt("has another error than the store notes");
  if (header.book != 0 && book == nullptr)
    return fail(error_code::not_found, "stored value: needs the code book " +
                                           std::to_string(header.book) +
                                           ", which is not here");
  const stored_part all{header.key.first_layer,
                        std::uint32_t{header.key.first_layer} + header.layers,
                        0, header.rows};
  rows_.resize(std::size_t{header.layers} * header.rows * shape.row_bytes());
  BOOST_OUTCOME_TRYV(decode_part(header, value.bytes, all, rows_, book));
  return header;
}

}  // namespace lamina

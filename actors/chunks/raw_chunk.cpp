#include "actors/chunks/raw_chunk.hpp"

#include <cassert>
#include <cstring>
#include <new>

#include "protocol/floats.hpp"

namespace lamina {
namespace {

constexpr std::align_val_t alignment{64};

template <class Widen>
void widen(std::span<const std::byte> row, std::span<float> out, Widen one) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, row.data() + sizeof bits * i, sizeof bits);
    out[i] = one(bits);
  }
}

}  // namespace

// Zeroed, so that a row nobody wrote never shows another chunk's numbers.
raw_chunk::raw_chunk(capture_shape shape, position_t first_position,
                     site_mask sites)
    : shape_(shape),
      first_(first_position),
      sites_(sites),
      storage_bytes_(shape.slots() * chunk_positions * shape.row_bytes()),
      storage_(static_cast<std::byte*>(
          ::operator new[](storage_bytes_, alignment))) {
  std::memset(storage_.get(), 0, storage_bytes_);
}

void raw_chunk::aligned_delete::operator()(std::byte* p) const {
  ::operator delete[](p, alignment);
}

std::span<const std::byte> raw_chunk::row(std::uint32_t slot,
                                          std::uint32_t row) const {
  assert(slot < shape_.slots() && row < chunk_positions);
  const std::size_t bytes = shape_.row_bytes();
  return {storage_.get() + (std::size_t{slot} * chunk_positions + row) * bytes,
          bytes};
}

std::span<std::byte> raw_chunk::row(std::uint32_t slot, std::uint32_t row) {
  assert(slot < shape_.slots() && row < chunk_positions);
  const std::size_t bytes = shape_.row_bytes();
  return {storage_.get() + (std::size_t{slot} * chunk_positions + row) * bytes,
          bytes};
}

std::span<const std::byte> raw_chunk::rows(std::uint32_t slot) const {
  assert(slot < shape_.slots());
  const std::size_t bytes = chunk_positions * shape_.row_bytes();
  return {storage_.get() + slot * bytes, bytes};
}

void widen_row(std::span<const std::byte> row, dtype element,
               std::span<float> out) {
  assert(row.size() == out.size() * size_of(element));
  switch (element) {
    case dtype::float32:
      std::memcpy(out.data(), row.data(), row.size());
      return;
    case dtype::bfloat16:
      widen(row, out, float_of_bfloat16);
      return;
    case dtype::float16:
      widen(row, out, float_of_float16);
      return;
  }
}

}  // namespace lamina

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
raw_chunk::raw_chunk(capture_shape shape, position_t first_position)
    : shape_(shape), first_(first_position), sites_(all_sites) {
  const std::size_t size = bytes();
  storage_.reset(static_cast<std::byte*>(::operator new[](size, alignment)));
  std::memset(storage_.get(), 0, size);
  lay(0, chunk_positions, storage_.get(), chunk_positions * shape.row_bytes(),
      nullptr);
}

raw_chunk::raw_chunk(capture_shape shape, position_t first_position,
                     site_mask sites)
    : shape_(shape), first_(first_position), sites_(sites) {
  if (sites != all_sites) absent_.resize(shape.row_bytes());
}

void raw_chunk::aligned_delete::operator()(std::byte* p) const {
  ::operator delete[](p, alignment);
}

void raw_chunk::lay(std::uint32_t begin, std::uint32_t end, const std::byte* at,
                    std::size_t slot_bytes, std::shared_ptr<const void> owner) {
  assert(begin <= end && end <= chunk_positions);
  for (std::uint32_t row = begin; row < end; ++row)
    places_[row] = {at + (row - begin) * shape_.row_bytes(), slot_bytes, owner};
}

bool raw_chunk::holds_slot(std::uint32_t slot) const {
  return holds(slot == 0               ? site::embed
               : slot <= shape_.layers ? site::resid_post
                                       : site::final_norm);
}

std::uint32_t raw_chunk::place_of(std::uint32_t slot) const {
  std::uint32_t number = slot;
  if (slot > 0 && !holds(site::embed)) --number;
  if (slot > shape_.layers && !holds(site::resid_post)) number -= shape_.layers;
  return number;
}

std::span<const std::byte> raw_chunk::row(std::uint32_t slot,
                                          std::uint32_t row) const {
  assert(slot < shape_.slots() && row < chunk_positions);
  if (!holds_slot(slot)) return absent_;
  const auto& at = places_[row];
  assert(at.first_slot != nullptr);
  return {at.first_slot + place_of(slot) * at.slot_bytes, shape_.row_bytes()};
}

std::span<std::byte> raw_chunk::row(std::uint32_t slot, std::uint32_t row) {
  assert(storage_ && slot < shape_.slots() && row < chunk_positions);
  const std::size_t bytes = shape_.row_bytes();
  return {storage_.get() + (std::size_t{slot} * chunk_positions + row) * bytes,
          bytes};
}

std::span<const std::byte> raw_chunk::rows(std::uint32_t slot) const {
  assert(storage_ && slot < shape_.slots());
  const std::size_t bytes = chunk_positions * shape_.row_bytes();
  return {storage_.get() + slot * bytes, bytes};
}

std::size_t raw_chunk::bytes() const {
  std::size_t slots = holds(site::resid_post) ? shape_.layers : 0;
  slots += (holds(site::embed) ? 1 : 0) + (holds(site::final_norm) ? 1 : 0);
  return slots * chunk_positions * shape_.row_bytes();
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

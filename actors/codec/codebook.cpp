#include "actors/codec/codebook.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "actors/chunks/little_endian.hpp"
#include "actors/codec/quality.hpp"
#include "actors/codec/row_numbers.hpp"
#include "actors/codec/value_format.hpp"

namespace lamina {
namespace {

constexpr std::uint32_t magic = 0x4b4f424c;  // "LBOK"
constexpr std::uint16_t version = 1;
constexpr std::size_t header_bytes = 16;

// Numbers this many times larger than their row's ordinary ones are massive
// activations of single tokens; outlier channels stay well below.
constexpr float massive_factor = 50;

// Up to where a row's numbers are taken in.
float massive_limit(std::span<const float> row) {
  const auto width = static_cast<float>(row.size());
  const float mean = sum_row(row, nullptr, 0).magnitudes / width;
  const limited_squares ordinary =
      sum_squares_below(row, ordinary_factor * mean);
  return massive_factor *
         std::sqrt(ordinary.squares / std::max(1.0f, ordinary.count));
}

error corrupt(const char* what) {
  return {error_code::corrupt, std::string("code book: ") + what};
}

std::size_t numbers_of(const capture_shape& shape) {
  return std::size_t{shape.slots()} * shape.width;
}

}  // namespace

codebook::codebook(const capture_shape& shape, std::vector<float> means)
    : shape_(shape), means_(std::move(means)) {
  const auto bytes = serialise();
  id_ = XXH3_64bits(bytes.data(), bytes.size());
  if (id_ == 0) id_ = 1;
}

std::vector<std::byte> codebook::serialise() const {
  byte_writer out(header_bytes + 2 * means_.size());
  out.put(magic)
      .put(version)
      .put(static_cast<std::uint8_t>(shape_.element))
      .put(std::uint8_t{0})
      .put(shape_.layers)
      .put(shape_.width);
  std::vector<std::byte> rows(2 * means_.size());
  narrow(means_, dtype::bfloat16, rows.data());
  return out.put_bytes(rows).finish();
}

result<codebook> codebook::parse(std::span<const std::byte> bytes) {
  byte_reader in(bytes);
  if (in.get<std::uint32_t>() != magic) return corrupt("wrong magic number");
  const auto found = in.get<std::uint16_t>();
  if (found != version)
    return error{error_code::unsupported_version,
                 "code book: format version " + std::to_string(found) +
                     ", this build knows " + std::to_string(version)};
  capture_shape shape;
  shape.element = static_cast<dtype>(in.get<std::uint8_t>());
  const auto reserved = in.get<std::uint8_t>();
  shape.layers = in.get<std::uint32_t>();
  shape.width = in.get<std::uint32_t>();
  if (!in.ok() || to_string(shape.element) == "unknown" || reserved != 0 ||
      shape.layers < 1 || shape.layers > value_layers_max || shape.width < 1 ||
      shape.width > value_width_max)
    return corrupt("impossible header");
  if (in.left() != 2 * numbers_of(shape)) return corrupt("wrong length");
  std::vector<float> means(numbers_of(shape));
  widen_exact(in.get_bytes(in.left()).data(), dtype::bfloat16, means);
  for (const float mean : means)
    if (!std::isfinite(mean)) return corrupt("a mean is not finite");
  return codebook(shape, std::move(means));
}

codebook_learner::codebook_learner(const capture_shape& shape)
    : shape_(shape),
      sums_(numbers_of(shape)),
      counts_(numbers_of(shape)),
      row_(shape.width) {}

void codebook_learner::add(const ready_rows& rows) {
  assert(rows.chunk->shape() == shape_);
  for (std::uint32_t row = rows.begin; row < rows.end; ++row) {
    if (rows.chunk->first() + row == 0) continue;
    for (std::uint32_t slot = 0; slot < shape_.slots(); ++slot)
      add_row(slot, rows.chunk->row(slot, row));
    ++tokens_;
  }
}

void codebook_learner::add_row(std::uint32_t slot,
                               std::span<const std::byte> row) {
  widen_exact(row.data(), shape_.element, row_);
  const float limit = massive_limit(row_);
  const std::size_t first = std::size_t{slot} * shape_.width;
  for (std::size_t c = 0; c < row_.size(); ++c)
    if (std::abs(row_[c]) <= limit) {
      sums_[first + c] += row_[c];
      ++counts_[first + c];
    }
}

codebook codebook_learner::finish() const {
  std::vector<float> means(sums_.size());
  for (std::size_t i = 0; i < means.size(); ++i)
    if (counts_[i] != 0) means[i] = static_cast<float>(sums_[i] / counts_[i]);
  std::vector<std::byte> rounded(2 * means.size());
  narrow(means, dtype::bfloat16, rounded.data());
  widen_exact(rounded.data(), dtype::bfloat16, means);
  for (float& mean : means)
    if (!std::isfinite(mean)) mean = 0;
  return codebook(shape_, std::move(means));
}

}  // namespace lamina

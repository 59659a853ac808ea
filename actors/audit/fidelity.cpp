#include "actors/audit/fidelity.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace lamina {
namespace {

/// Infinite where one of them is no number.
float relative_error(std::span<const float> stored,
                     std::span<const float> exact) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double d = double{stored[i]} - double{exact[i]};
    difference += d * d;
    size += double{exact[i]} * double{exact[i]};
  }
  if (difference == 0) return 0;
  const double error = std::sqrt(difference / size);
  return std::isfinite(error) ? static_cast<float>(error)
                              : std::numeric_limits<float>::infinity();
}

}  // namespace

void fidelity::include(const fidelity& other) {
  values += other.values;
  stored_bytes += other.stored_bytes;
  stored_error_max = std::max(stored_error_max, other.stored_error_max);
  stored_error_sum += other.stored_error_sum;
  rows_compared += other.rows_compared;
  rows_identical += other.rows_identical;
  true_error_max = std::max(true_error_max, other.true_error_max);
  true_error_sum += other.true_error_sum;
}

double fidelity::stored_error_mean() const {
  return values == 0 ? 0 : stored_error_sum / static_cast<double>(values);
}

double fidelity::true_error_mean() const {
  return rows_compared == 0
             ? 0
             : true_error_sum / static_cast<double>(rows_compared);
}

void include(fidelities& into, const fidelities& other) {
  for (const auto& [kept, sums] : other)
    into[kept].include(sums);
}

float recomputing_error_max(dtype element) {
  return element == dtype::float32 ? 1e-3f : 5e-2f;
}

comparison compare(const stored_header& header,
                   std::span<const std::byte> decoded, const row_block& exact) {
  comparison result;
  const auto& shape = header.shape;
  const float allowed =
      header.errors.row + recomputing_error_max(shape.element);
  std::vector<float> stored_row(shape.width), exact_row(shape.width);
  for (std::uint32_t l = 0; l < header.layers; ++l) {
    const std::uint32_t layer = header.key.first_layer + l;
    const auto slot = slot_of(header.key.at, layer, shape.layers);
    for (auto r = exact.row_begin(); r < std::min(header.rows, exact.row_end());
         ++r) {
      const auto stored = decoded.subspan(
          (std::size_t{l} * header.rows + r) * shape.row_bytes(),
          shape.row_bytes());
      const auto now = exact.row(slot, r);
      ++result.found.rows_compared;
      if (std::ranges::equal(stored, now)) {
        ++result.found.rows_identical;
        continue;
      }
      widen_row(stored, shape.element, stored_row);
      widen_row(now, shape.element, exact_row);
      const float error = relative_error(stored_row, exact_row);
      result.found.true_error_max =
          std::max(result.found.true_error_max, error);
      result.found.true_error_sum += error;
      if (error <= allowed) continue;
      ++result.rows_beyond;
      if (error >= result.worst.error) result.worst = {layer, r, error};
    }
  }
  return result;
}

}  // namespace lamina

// How true stored activations are: what their headers say, and what a model
// that computes them again finds. Pure; any thread.
//
// An error is that of one row: root mean square of the difference, relative to
// the root mean square of what was there (docs/codecs.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>

#include "actors/chunks/row_block.hpp"
#include "actors/codec/codec.hpp"

namespace lamina {

/// Sums over stored values of one quality.
struct fidelity {
  std::uint64_t values = 0;
  std::uint64_t stored_bytes = 0;
  float stored_error_max = 0;   // each value says the error of its worst row
  double stored_error_sum = 0;  // over values
  std::uint64_t rows_compared = 0;
  std::uint64_t rows_identical = 0;  // bit for bit
  float true_error_max = 0;
  double true_error_sum = 0;  // over rows compared

  void include(const fidelity& other);
  double stored_error_mean() const;
  double true_error_mean() const;
};

using fidelities = std::map<quality, fidelity>;

void include(fidelities& into, const fidelities& other);

/// What computing rows again may differ by from the first time: batches of
/// another shape add up in another order, and every layer rounds to the compute
/// dtype (docs/architecture.md says how much).
float recomputing_error_max(dtype element);

/// Rows that differ by more than their stored error and the above explain.
struct disagreement {
  std::uint32_t layer = 0;  // where the greatest one is
  std::uint32_t row = 0;
  float error = 0;
};

struct comparison {
  fidelity found;
  std::uint32_t rows_beyond = 0;  // that disagree
  disagreement worst;             // of these
};

/// Compares a value's decoded rows, [layer][row][width] as decode_part gives
/// all of them, with rows of the same positions that were computed now; of the
/// value's layers `exact` has all. Rows that it has not are passed over.
comparison compare(const stored_header& header,
                   std::span<const std::byte> decoded, const row_block& exact);

}  // namespace lamina

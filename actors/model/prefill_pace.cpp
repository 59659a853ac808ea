#include "actors/model/prefill_pace.hpp"

#include <algorithm>

namespace lamina {
namespace {

// Before anything was measured: small enough for a large model, large enough
// to learn from.
constexpr std::uint32_t first_beside = 32;
constexpr std::uint32_t first_alone = 128;

void blend(double& mean, double sample) {
  mean = mean == 0 ? sample : (mean + sample) / 2;
}

}  // namespace

std::uint32_t prefill_pace::rows(bool beside) const {
  std::uint32_t rows = beside ? first_beside : first_alone;
  if (row_seconds_ > 0) {
    const double seconds =
        beside ? std::max(limits_.beside_seconds, decode_seconds_)
               : limits_.alone_seconds;
    rows = static_cast<std::uint32_t>(
        std::min<double>(seconds / row_seconds_, limits_.rows_max));
  }
  rows = std::max(rows / rows_min * rows_min, rows_min);
  return std::clamp(rows, 1u, std::max(limits_.rows_max, 1u));
}

void prefill_pace::took(std::uint32_t decoded, std::uint32_t prefilled,
                        double seconds) {
  if (prefilled == 0) {
    if (decoded != 0) blend(decode_seconds_, seconds);
    return;
  }
  if (prefilled < rows_min) return;  // says little
  const double added = decoded == 0 ? seconds : seconds - decode_seconds_;
  // Decoding beside it may have become cheaper than it was on average.
  blend(row_seconds_, std::max(added, seconds / 4) / prefilled);
}

}  // namespace lamina

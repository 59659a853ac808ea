// Medians and percentiles of what a benchmark measured.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace lamina::bench {

/// The value below which `share` of the samples lie; 0 without samples.
inline double percentile(std::vector<double> samples, double share) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  auto index = static_cast<std::size_t>(
      share * static_cast<double>(samples.size() - 1) + 0.5);
  return samples[index];
}

inline double median(const std::vector<double>& samples) {
  return percentile(samples, 0.5);
}

}  // namespace lamina::bench

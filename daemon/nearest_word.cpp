#include "daemon/nearest_word.hpp"

#include <algorithm>

namespace lamina {
namespace {

// Longer words are no slips of ours, and the table below grows with them.
constexpr std::size_t word_bytes_max = 64;

/// Optimal string alignment: a pair is swapped at most once.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(
      a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      auto& best = cost[i][j];
      if (i == 0 || j == 0) {
        best = i + j;
        continue;
      }
      best = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                       cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = std::min(best, cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word,
                         const std::vector<std::string>& known) {
  if (word.size() > word_bytes_max) return {};
  std::string nearest;
  auto best = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const auto& candidate : known) {
    if (candidate.size() > word_bytes_max) continue;
    const auto distance = edits(word, candidate);
    // A word with nothing in common is no slip, however short it is.
    if (distance >= best || distance >= candidate.size()) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace lamina

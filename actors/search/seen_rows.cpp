#include "actors/search/seen_rows.hpp"

namespace lamina {

std::uint32_t seen_rows::add(const digest& chunk, std::uint32_t rows) {
  if (rows == 0) return 0;
  const auto [known, is_new] = first_.emplace(chunk, rows);
  if (is_new) return rows;
  auto& later = again_[chunk];
  auto seen = known->second;
  for (const auto others : later)
    seen |= others;
  later.push_back(rows);
  return rows & ~seen;
}

std::uint32_t seen_rows::conversations(const digest& chunk,
                                       std::uint32_t row) const {
  const auto known = first_.find(chunk);
  if (known == first_.end()) return 0;
  auto count = known->second >> row & 1u;
  if (const auto later = again_.find(chunk); later != again_.end())
    for (const auto rows : later->second)
      count += rows >> row & 1u;
  return count;
}

}  // namespace lamina

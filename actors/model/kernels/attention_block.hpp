// What one task of the attention kernel works on: a block of queries that
// share a key-value head. Private to kernels/attention.cpp, which is compiled
// once per instruction set; hence a header of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/site.hpp"

namespace lamina {

/// Rows are [position][query head of the group].
struct attention_block {
  std::uint32_t rows;
  std::uint32_t group;  // query heads per position
  std::uint32_t dim;    // of a head
  position_t first;     // of row 0
  float* queries;       // [rows][dim], already scaled
  float* scores;        // [rows][page positions], scratch
  float* out;           // [rows][dim], weighted sums so far
  float* maximum;       // [rows], highest score so far
  float* sum;           // [rows], sum of weights so far
};

/// Where a page of the cache has a head's keys and values, [64][dim] each;
/// null: there is none.
struct page_of_head {
  const std::byte* keys = nullptr;
  const std::byte* values = nullptr;
};

}  // namespace lamina

#include "actors/search/scorer.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/search/scorer.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

// A namespace of its own: every library's kernels are lamina's.
HWY_BEFORE_NAMESPACE();
namespace lamina::scoring::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using lanes = hn::ScalableTag<float>;
using vec = hn::Vec<lanes>;

struct of_float32 {
  using stored = float;
  HWY_INLINE vec load(lanes d, const float* from) const {
    return hn::LoadU(d, from);
  }
};

struct of_bfloat16 {
  using stored = std::uint16_t;
  HWY_INLINE vec load(lanes d, const std::uint16_t* from) const {
    const hn::Rebind<std::uint16_t, lanes> d16;
    const hn::RebindToUnsigned<lanes> d32;
    const auto wide = hn::PromoteTo(d32, hn::LoadU(d16, from));
    return hn::BitCast(d, hn::ShiftLeft<16>(wide));
  }
};

struct of_float16 {
  using stored = hwy::float16_t;
  HWY_INLINE vec load(lanes d, const hwy::float16_t* from) const {
    const hn::Rebind<hwy::float16_t, lanes> d16;
    return hn::PromoteTo(d, hn::LoadU(d16, from));
  }
};

// Four sums of each kind hide the latency of the fused multiply-add.
constexpr std::size_t sums = 4;

/// The last elements of a row, fewer than a vector has: what is beyond them
/// counts as zero.
template <class Element>
HWY_INLINE void add_rest(const float* query,
                         const typename Element::stored* row, std::size_t count,
                         vec& dot, vec& square) {
  const lanes d;
  HWY_ALIGN float left[HWY_MAX_BYTES / sizeof(float)] = {};
  HWY_ALIGN typename Element::stored right[HWY_MAX_BYTES / sizeof(float)] = {};
  for (std::size_t i = 0; i < count; ++i) {
    left[i] = query[i];
    right[i] = row[i];
  }
  const vec x = Element{}.load(d, right);
  dot = hn::MulAdd(hn::Load(d, left), x, dot);
  square = hn::MulAdd(x, x, square);
}

/// dots[r] = query . row r, squares[r] = |row r|^2.
template <class Element>
HWY_INLINE void sum_rows(const float* query, const void* rows,
                         std::size_t width, std::size_t count, float* dots,
                         float* squares) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const auto* row = static_cast<const typename Element::stored*>(rows);
  for (std::size_t r = 0; r < count; ++r, row += width) {
    vec dot[sums];
    vec square[sums];
    for (std::size_t s = 0; s < sums; ++s)
      dot[s] = square[s] = hn::Zero(d);
    std::size_t i = 0;
    for (; i + sums * step <= width; i += sums * step)
      for (std::size_t s = 0; s < sums; ++s) {
        const vec x = Element{}.load(d, row + i + s * step);
        dot[s] = hn::MulAdd(hn::LoadU(d, query + i + s * step), x, dot[s]);
        square[s] = hn::MulAdd(x, x, square[s]);
      }
    for (; i + step <= width; i += step) {
      const vec x = Element{}.load(d, row + i);
      dot[0] = hn::MulAdd(hn::LoadU(d, query + i), x, dot[0]);
      square[0] = hn::MulAdd(x, x, square[0]);
    }
    if (i < width)
      add_rest<Element>(query + i, row + i, width - i, dot[1], square[1]);
    const vec all_dots =
        hn::Add(hn::Add(dot[0], dot[1]), hn::Add(dot[2], dot[3]));
    const vec all_squares =
        hn::Add(hn::Add(square[0], square[1]), hn::Add(square[2], square[3]));
    dots[r] = hn::GetLane(hn::SumOfLanes(d, all_dots));
    squares[r] = hn::GetLane(hn::SumOfLanes(d, all_squares));
  }
}

void sum_float32(const float* query, const void* rows, std::size_t width,
                 std::size_t count, float* dots, float* squares) {
  sum_rows<of_float32>(query, rows, width, count, dots, squares);
}

void sum_bfloat16(const float* query, const void* rows, std::size_t width,
                  std::size_t count, float* dots, float* squares) {
  sum_rows<of_bfloat16>(query, rows, width, count, dots, squares);
}

void sum_float16(const float* query, const void* rows, std::size_t width,
                 std::size_t count, float* dots, float* squares) {
  sum_rows<of_float16>(query, rows, width, count, dots, squares);
}

const char* target() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace lamina::scoring::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "actors/chunks/raw_chunk.hpp"

namespace lamina {
namespace scoring {
namespace {

HWY_EXPORT(sum_float32);
HWY_EXPORT(sum_bfloat16);
HWY_EXPORT(sum_float16);
HWY_EXPORT(target);

void sum(dtype element, const float* query, const void* rows, std::size_t width,
         std::size_t count, float* dots, float* squares) {
  switch (element) {
    case dtype::float32:
      HWY_DYNAMIC_DISPATCH(sum_float32)
      (query, rows, width, count, dots, squares);
      return;
    case dtype::bfloat16:
      HWY_DYNAMIC_DISPATCH(sum_bfloat16)
      (query, rows, width, count, dots, squares);
      return;
    case dtype::float16:
      HWY_DYNAMIC_DISPATCH(sum_float16)
      (query, rows, width, count, dots, squares);
      return;
  }
}

const char* chosen_target() {
  return HWY_DYNAMIC_DISPATCH(target)();
}

}  // namespace
}  // namespace scoring

namespace {

constexpr float no_rank = std::numeric_limits<float>::quiet_NaN();

// Sums of squares below this may have lost small terms to float32's subnormal
// numbers; above the largest number they are infinite.
constexpr float smallest_sound_square = 1e-30f;

}  // namespace

result<scorer> scorer::make(std::vector<float> query, similarity metric) {
  if (metric != similarity::cosine && metric != similarity::dot)
    return fail(error_code::invalid_argument,
                "metric " + std::to_string(static_cast<int>(metric)) +
                    " does not exist: 1 cosine, 2 dot do");
  if (query.empty())
    return fail(error_code::invalid_argument, "the query has no elements");
  double square = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (!std::isfinite(query[i]))
      return fail(
          error_code::invalid_argument,
          "element " + std::to_string(i) + " of the query is no finite number");
    square += double{query[i]} * query[i];
  }
  if (metric == similarity::cosine && square == 0)
    return fail(error_code::invalid_argument,
                "the query is all zeros, which has no cosine with anything");
  // A direction of length 1: products with tiny elements would lose digits, or
  // all of themselves, to float32's subnormal numbers.
  if (metric == similarity::cosine)
    for (float& x : query)
      x = static_cast<float>(x / std::sqrt(square));
  return scorer(std::move(query), metric);
}

void scorer::score(std::span<const std::byte> rows, dtype element,
                   std::span<float> out) const {
  constexpr std::size_t rows_at_once = chunk_positions;
  const auto row_bytes = width() * size_of(element);
  assert(rows.size() == out.size() * row_bytes);
  float dots[rows_at_once];
  float squares[rows_at_once];
  for (std::size_t r = 0; r < out.size(); r += rows_at_once) {
    const auto count = std::min(rows_at_once, out.size() - r);
    scoring::sum(element, query_.data(), rows.data() + r * row_bytes, width(),
                 count, dots, squares);
    for (std::size_t i = 0; i < count; ++i)
      out[r + i] =
          finish(dots[i], squares[i],
                 rows.subspan((r + i) * row_bytes, row_bytes), element);
  }
}

/// The score of a row from its sums, summed again where float32 cannot hold
/// them.
float scorer::finish(float dot, float square, std::span<const std::byte> row,
                     dtype element) const {
  double exact_dot = dot;
  double exact_square = square;
  const bool cosine = metric_ == similarity::cosine;
  if (!std::isfinite(dot) ||
      (cosine && (!std::isfinite(square) || square < smallest_sound_square))) {
    std::vector<float> wide(width());
    widen_row(row, element, wide);
    exact_dot = exact_square = 0;
    for (std::size_t i = 0; i < wide.size(); ++i) {
      exact_dot += double{query_[i]} * wide[i];
      exact_square += double{wide[i]} * wide[i];
    }
  }
  const double score = cosine ? exact_dot / std::sqrt(exact_square) : exact_dot;
  // A dot product may be finite in double and beyond float32.
  const auto narrow = static_cast<float>(score);
  if (!std::isfinite(narrow)) return no_rank;
  return cosine ? std::clamp(narrow, -1.0f, 1.0f) : narrow;
}

const char* scoring_target() {
  return scoring::chosen_target();
}

}  // namespace lamina

#endif  // HWY_ONCE

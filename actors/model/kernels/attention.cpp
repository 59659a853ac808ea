#include "actors/model/kernels/attention.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/model/kernels/attention.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/cache_control.h>
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "actors/model/kernels/attention_block.hpp"
#include "actors/model/kernels/vector-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

constexpr std::size_t tile = kv_cache::page_positions;

// to[0 .. 3]: the sums of the lanes of four registers.
HWY_INLINE void sum_four(const vec (&x)[4], float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 4; ++i)
    to[i] = hn::GetLane(x[i]);
#else
  const lanes d;
  const hn::Repartition<double, lanes> pairs;
  // Within 128 bits: a0 + a2, b0 + b2, a1 + a3, b1 + b3.
  const auto halves = [d](vec a, vec b) {
    return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  };
  const auto ab = hn::BitCast(pairs, halves(x[0], x[1]));
  const auto cd = hn::BitCast(pairs, halves(x[2], x[3]));
  const vec abcd = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, ab, cd)),
                           hn::BitCast(d, hn::InterleaveUpper(pairs, ab, cd)));
  if constexpr (hn::MaxLanes(d) == 16) {
    const hn::Half<lanes> half;
    const hn::Half<decltype(half)> quarter;
    const auto two =
        hn::Add(hn::LowerHalf(half, abcd), hn::UpperHalf(half, abcd));
    hn::StoreU(
        hn::Add(hn::LowerHalf(quarter, two), hn::UpperHalf(quarter, two)),
        quarter, to);
  } else if constexpr (hn::MaxLanes(d) == 8) {
    const hn::Half<lanes> half;
    hn::StoreU(hn::Add(hn::LowerHalf(half, abcd), hn::UpperHalf(half, abcd)),
               half, to);
  } else {
    hn::StoreU(abcd, d, to);
  }
#endif
}

// scores[r][t] = queries[r] . keys[t] for `Rows` rows and all keys of a page.
template <int Rows, class Element>
HWY_INLINE void score_rows(const attention_block& b, std::uint32_t row,
                           const Element* keys) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const float* queries = b.queries + row * b.dim;
  for (std::size_t t = 0; t < tile; t += 4) {
    const Element* four = keys + t * b.dim;
    vec acc[Rows][4];
    clear_sums(acc);
    std::size_t i = 0;
    for (; i + step <= b.dim; i += step) {
      vec wide[4];
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        wide[k] = load(d, four + k * b.dim + i);
      add_products(queries + i, b.dim, wide, acc);
    }
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      float* to = b.scores + (row + r) * tile + t;
      sum_four(acc[r], to);
      for (std::size_t c = i; c < b.dim; ++c)
        for (int k = 0; k < 4; ++k)
          to[k] += queries[r * b.dim + c] * widen(four[k * b.dim + c]);
    }
  }
}

template <class Element>
HWY_INLINE void score(const attention_block& b, const Element* keys) {
  std::uint32_t r = 0;
#if HWY_TARGET <= HWY_AVX3
  for (; r + 6 <= b.rows; r += 6)
    score_rows<6>(b, r, keys);
#endif
  for (; r + 3 <= b.rows; r += 3)
    score_rows<3>(b, r, keys);
  for (; r < b.rows; ++r)
    score_rows<1>(b, r, keys);
}

// Turns one row of scores into weights relative to the running maximum, and
// rescales what was summed before. `visible` keys of the tile count.
HWY_INLINE void soften(const attention_block& b, std::uint32_t row,
                       std::size_t visible) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  float* s = b.scores + row * tile;
  // What the page holds past the visible keys is not ours: weight 0.
  for (std::size_t t = visible; t < tile; ++t)
    s[t] = -std::numeric_limits<float>::infinity();
  vec most = hn::Set(d, b.maximum[row]);
  for (std::size_t t = 0; t < tile; t += step)
    most = hn::Max(most, hn::LoadU(d, s + t));
  const float highest = hn::GetLane(hn::MaxOfLanes(d, most));
  vec sum = hn::Zero(d);
  for (std::size_t t = 0; t < tile; t += step) {
    const vec shifted = hn::Sub(hn::LoadU(d, s + t), hn::Set(d, highest));
    // Highway's exp is undefined far below its range.
    const vec w =
        hn::IfThenElseZero(hn::Gt(shifted, hn::Set(d, -87.0f)),
                           hn::Exp(d, hn::Max(shifted, hn::Set(d, -87.0f))));
    hn::StoreU(w, d, s + t);
    sum = hn::Add(sum, w);
  }
  const float rescale = std::exp(b.maximum[row] - highest);
  b.maximum[row] = highest;
  b.sum[row] = b.sum[row] * rescale + hn::GetLane(hn::SumOfLanes(d, sum));
  if (rescale == 1.0f) return;
  for (std::size_t i = 0; i < b.dim; ++i)
    b.out[row * b.dim + i] *= rescale;
}

// out[r] += sum over t of weights[r][t] * values[t] for `Rows` rows, and
// `Registers` registers of columns from `i` on. Each has its own chain of sums:
// several at once hide that a sum waits for the one before.
// values: [visible][dim]
template <int Rows, int Registers, class Element>
HWY_INLINE void mix_columns(const attention_block& b, std::uint32_t row,
                            const Element* values, std::size_t visible,
                            std::size_t i) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const float* w = b.scores + row * tile;
  float* out = b.out + row * b.dim + i;
  vec acc[Rows][Registers];
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int k = 0; k < Registers; ++k)
      acc[r][k] = hn::LoadU(d, out + r * b.dim + k * step);
  for (std::size_t t = 0; t < visible; ++t) {
    vec v[Registers];
#pragma GCC unroll 4
    for (int k = 0; k < Registers; ++k)
      v[k] = load(d, values + t * b.dim + i + k * step);
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      const vec weight = hn::Set(d, w[r * tile + t]);
#pragma GCC unroll 4
      for (int k = 0; k < Registers; ++k)
        acc[r][k] = hn::MulAdd(weight, v[k], acc[r][k]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int k = 0; k < Registers; ++k)
      hn::StoreU(acc[r][k], d, out + r * b.dim + k * step);
}

template <int Rows, class Element>
HWY_INLINE void mix_rows(const attention_block& b, std::uint32_t row,
                         const Element* values, std::size_t visible) {
  constexpr int registers = HWY_TARGET <= HWY_AVX3 ? 4 : 2;
  const std::size_t step = hn::Lanes(lanes());
  std::size_t i = 0;
  for (; i + registers * step <= b.dim; i += registers * step)
    mix_columns<Rows, registers>(b, row, values, visible, i);
  for (; i + step <= b.dim; i += step)
    mix_columns<Rows, 1>(b, row, values, visible, i);
  const float* w = b.scores + row * tile;
  for (; i < b.dim; ++i)
    for (int r = 0; r < Rows; ++r)
      for (std::size_t t = 0; t < visible; ++t)
        b.out[(row + r) * b.dim + i] +=
            w[r * tile + t] * widen(values[t * b.dim + i]);
}

template <class Element>
HWY_INLINE void mix(const attention_block& b, const Element* values,
                    std::size_t visible) {
  std::uint32_t r = 0;
#if HWY_TARGET <= HWY_AVX3
  for (; r + 6 <= b.rows; r += 6)
    mix_rows<6>(b, r, values, visible);
#endif
  for (; r + 4 <= b.rows; r += 4)
    mix_rows<4>(b, r, values, visible);
  switch (b.rows - r) {
    case 3:
      return mix_rows<3>(b, r, values, visible);
    case 2:
      return mix_rows<2>(b, r, values, visible);
    case 1:
      return mix_rows<1>(b, r, values, visible);
  }
}

// A page's keys and values of one head lie apart from the next page's, where
// the hardware's own prefetching does not look.
HWY_INLINE void fetch(const std::byte* from, std::size_t bytes) {
  constexpr std::size_t line = 64;
  for (std::size_t at = 0; from != nullptr && at < bytes; at += line)
    hwy::Prefetch(from + at);
}

template <class Element>
HWY_INLINE void page(const attention_block& b, const Element* keys,
                     const Element* values, position_t first_key,
                     const page_of_head& next) {
  const std::size_t bytes = tile * b.dim * sizeof(Element);
  fetch(next.keys, bytes);
  score(b, keys);
  fetch(next.values, bytes);
  std::size_t most = 0;
  for (std::uint32_t r = 0; r < b.rows; ++r) {
    const position_t at = b.first + r / b.group;
    const std::size_t seen = at < first_key ? 0 : at - first_key + 1;
    const std::size_t visible = seen < tile ? seen : tile;
    soften(b, r, visible);
    most = visible > most ? visible : most;
  }
  mix(b, values, most);
}

void attend_page(const attention_block& b, dtype element,
                 const page_of_head& at, position_t first_key,
                 const page_of_head& next) {
  if (element == dtype::float32)
    page(b, reinterpret_cast<const float*>(at.keys),
         reinterpret_cast<const float*>(at.values), first_key, next);
  else
    page(b, reinterpret_cast<const std::uint16_t*>(at.keys),
         reinterpret_cast<const std::uint16_t*>(at.values), first_key, next);
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <algorithm>
#include <vector>

#include "actors/model/kernels/team.hpp"

namespace lamina {
namespace {

HWY_EXPORT(attend_page);

// Query positions that one task takes through the keys together.
constexpr std::uint32_t block_positions = 16;
// Products below which a second thread costs more to call than it saves.
constexpr std::uint64_t parallel_products_min = 50'000;

struct task {
  const step_span* span;
  std::uint32_t kv_head;
  std::uint32_t begin;  // of the span's positions
  std::uint32_t end;
};

struct head_counts {
  std::uint32_t heads;
  std::uint32_t group;  // query heads that share a key-value head
  std::uint32_t dim;
};

// Memory of a thread's block, grown once and kept.
struct block_memory {
  std::vector<float> queries, scores, out, maximum, sum;

  attention_block prepare(std::uint32_t rows, std::uint32_t group,
                          std::uint32_t dim, position_t first) {
    queries.resize(std::size_t{rows} * dim);
    scores.resize(std::size_t{rows} * kv_cache::page_positions);
    out.assign(std::size_t{rows} * dim, 0.0f);
    maximum.assign(rows, std::numeric_limits<float>::lowest());
    sum.assign(rows, 0.0f);
    return {rows,       group,          dim,
            first,      queries.data(), scores.data(),
            out.data(), maximum.data(), sum.data()};
  }
};

void run(const task& t, std::uint32_t layer, const head_counts& n,
         const float* queries, float* out) {
  thread_local block_memory memory;
  const std::uint32_t positions = t.end - t.begin;
  const position_t first = t.span->first + t.begin;
  const auto b = memory.prepare(positions * n.group, n.group, n.dim, first);
  const float scale = 1.0f / std::sqrt(static_cast<float>(n.dim));
  // Rows of the block: [position][query head of the group].
  const auto row_of = [&](std::uint32_t r) {
    const std::size_t step_row = t.span->first_row + t.begin + r / n.group;
    return (step_row * n.heads + t.kv_head * n.group + r % n.group) * n.dim;
  };
  for (std::uint32_t r = 0; r < b.rows; ++r)
    for (std::uint32_t i = 0; i < n.dim; ++i)
      b.queries[r * n.dim + i] = queries[row_of(r) + i] * scale;
  const kv_cache& cache = *t.span->cache;
  const position_t last = first + positions - 1;
  const std::uint32_t last_page = last / kv_cache::page_positions;
  const auto page_at = [&](std::uint32_t p) -> page_of_head {
    if (p > last_page) return {};
    return {cache.keys(p, layer, t.kv_head), cache.values(p, layer, t.kv_head)};
  };
  page_of_head at = page_at(0);
  for (std::uint32_t p = 0; p <= last_page; ++p) {
    const page_of_head next = page_at(p + 1);
    HWY_DYNAMIC_DISPATCH(attend_page)
    (b, cache.shape().element, at, p * kv_cache::page_positions, next);
    at = next;
  }
  for (std::uint32_t r = 0; r < b.rows; ++r)
    for (std::uint32_t i = 0; i < n.dim; ++i)
      out[row_of(r) + i] = b.out[r * n.dim + i] / b.sum[r];
}

}  // namespace

void attend(std::span<const step_span> spans, std::uint32_t layer,
            std::uint32_t heads, const float* queries, float* out) {
  thread_local std::vector<task> kept;
  std::vector<task>& tasks = kept;  // workers have a `kept` of their own
  tasks.clear();
  std::uint64_t products = 0;
  head_counts n{heads, 0, 0};
  for (const auto& s : spans) {
    const kv_shape& shape = s.cache->shape();
    n.group = heads / shape.heads;
    n.dim = shape.head_dim;
    products +=
        std::uint64_t{2} * heads * n.dim * s.count * (s.first + s.count);
    // Later blocks see more keys: they go first, so that threads end together.
    for (std::uint32_t end = s.count; end > 0;) {
      const std::uint32_t begin = (end - 1) / block_positions * block_positions;
      for (std::uint32_t h = 0; h < shape.heads; ++h)
        tasks.push_back({&s, h, begin, end});
      end = begin;
    }
  }
  for_each_unit(static_cast<std::uint32_t>(tasks.size()),
                products >= parallel_products_min, [&](std::uint32_t i) {
                  run(tasks[i], layer, n, queries, out);
                });
}

}  // namespace lamina

#endif  // HWY_ONCE

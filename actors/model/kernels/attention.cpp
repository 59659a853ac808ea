#include "actors/model/kernels/attention.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/model/kernels/attention.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "actors/model/kernels/attention_block.hpp"
#include "actors/model/kernels/vector-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

constexpr std::size_t tile = kv_cache::page_positions;

// scores[r][t] = queries[r] . keys[t], for `keys` of one page.
// queries: [rows][dim], keys: [tile][dim], scores: [rows][tile]
template <class Element>
HWY_INLINE void score(const attention_block& b, const Element* keys) {
  std::uint32_t r = 0;
  for (; r + 3 <= b.rows; r += 3)
    for (std::size_t t = 0; t < tile; t += 4) {
      float sums[3][4];
      dot_block(b.queries + r * b.dim, b.dim, keys + t * b.dim, b.dim, b.dim,
                sums);
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 4; ++j)
          b.scores[(r + i) * tile + t + j] = sums[i][j];
    }
  for (; r < b.rows; ++r)
    for (std::size_t t = 0; t < tile; t += 4) {
      float sums[1][4];
      dot_block(b.queries + r * b.dim, b.dim, keys + t * b.dim, b.dim, b.dim,
                sums);
      for (int j = 0; j < 4; ++j)
        b.scores[r * tile + t + j] = sums[0][j];
    }
}

// Turns one row of scores into weights relative to the running maximum, and
// rescales what was summed before. `visible` keys of the tile count.
HWY_INLINE void soften(const attention_block& b, std::uint32_t row,
                       std::size_t visible) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  float* s = b.scores + row * tile;
  float highest = b.maximum[row];
  for (std::size_t t = 0; t < visible; ++t)
    highest = s[t] > highest ? s[t] : highest;
  // What the page holds past the visible keys is not ours: weight 0.
  for (std::size_t t = visible; t < tile; ++t)
    s[t] = -std::numeric_limits<float>::infinity();
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

// out[r] += sum over t of weights[r][t] * values[t], `Rows` rows at a time.
// values: [visible][dim]
template <int Rows, class Element>
HWY_INLINE void mix(const attention_block& b, std::uint32_t row,
                    const Element* values, std::size_t visible) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const float* w = b.scores + row * tile;
  float* out = b.out + row * b.dim;
  std::size_t i = 0;
  for (; i + step <= b.dim; i += step) {
    vec acc[Rows];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r)
      acc[r] = hn::LoadU(d, out + r * b.dim + i);
    for (std::size_t t = 0; t < visible; ++t) {
      const vec v = load(d, values + t * b.dim + i);
#pragma GCC unroll 4
      for (int r = 0; r < Rows; ++r)
        acc[r] = hn::MulAdd(hn::Set(d, w[r * tile + t]), v, acc[r]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r)
      hn::StoreU(acc[r], d, out + r * b.dim + i);
  }
  for (; i < b.dim; ++i)
    for (int r = 0; r < Rows; ++r)
      for (std::size_t t = 0; t < visible; ++t)
        out[r * b.dim + i] += w[r * tile + t] * widen(values[t * b.dim + i]);
}

template <class Element>
HWY_INLINE void page(const attention_block& b, const Element* keys,
                     const Element* values, position_t first_key) {
  score(b, keys);
  std::size_t most = 0;
  for (std::uint32_t r = 0; r < b.rows; ++r) {
    const position_t at = b.first + r / b.group;
    const std::size_t seen = at < first_key ? 0 : at - first_key + 1;
    const std::size_t visible = seen < tile ? seen : tile;
    soften(b, r, visible);
    most = visible > most ? visible : most;
  }
  std::uint32_t r = 0;
  for (; r + 4 <= b.rows; r += 4)
    mix<4>(b, r, values, most);
  for (; r < b.rows; ++r)
    mix<1>(b, r, values, most);
}

void attend_page(const attention_block& b, dtype element, const std::byte* keys,
                 const std::byte* values, position_t first_key) {
  if (element == dtype::float32)
    page(b, reinterpret_cast<const float*>(keys),
         reinterpret_cast<const float*>(values), first_key);
  else
    page(b, reinterpret_cast<const std::uint16_t*>(keys),
         reinterpret_cast<const std::uint16_t*>(values), first_key);
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
  for (std::uint32_t p = 0; p <= last / kv_cache::page_positions; ++p)
    HWY_DYNAMIC_DISPATCH(attend_page)
  (b, cache.shape().element, cache.keys(p, layer, t.kv_head),
   cache.values(p, layer, t.kv_head), p * kv_cache::page_positions);
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

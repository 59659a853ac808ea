#include "actors/model/kernels/dots.hpp"

#if defined(__x86_64__)
#define LAMINA_HAS_DOTS 1
// GCC 12 believes that its own intrinsics read uninitialised registers (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

#include <algorithm>
#include <cassert>
#include <memory>

namespace lamina {
namespace {

constexpr std::size_t line = 32;  // elements of a register, and a cache line

}  // namespace

bool dots_fit(const matrix& weight) {
  return weight.element == weight_type::bfloat16 &&
         weight.input == dtype::bfloat16;
}

// An odd number of lines, so that rows do not fall into the same cache sets.
std::size_t dot_row_bytes(std::uint32_t columns) {
  return (((columns + line - 1) / line) | 1) * line * sizeof(std::uint16_t);
}

#if LAMINA_HAS_DOTS

// The rest of the program is built for any x86-64; these functions are only
// called where the CPU has what they use.
#define LAMINA_DOT_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace {

// Rows of x that a block of registers takes: with the four weights they fill
// 24 + 4 + 1 of the 32.
constexpr std::uint32_t rows_max = 6;

// How far ahead of its use a line of weights is asked for. The hardware's own
// prefetching stops at each page.
constexpr std::size_t ahead_bytes = 1024;

// `Outs` rows of weights, `apart` elements from one to the next.
struct weight_rows {
  const std::uint16_t* at = nullptr;
  std::size_t apart = 0;
};

// Where the results go: [rows][stride], `step` from a weight's to the next's.
struct results {
  float* at = nullptr;
  std::size_t stride = 0;
  std::size_t step = 0;
};

LAMINA_DOT_TARGET inline __m512bh load(const std::uint16_t* from) {
  return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from));
}

// What is beyond the last column is zero.
LAMINA_DOT_TARGET inline __m512bh load_some(const std::uint16_t* from,
                                            std::size_t count) {
  return reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi16(
      static_cast<__mmask32>((std::uint64_t{1} << count) - 1), from));
}

// One register of columns of `Rows` rows of x.
template <int Rows, int Outs>
LAMINA_DOT_TARGET __attribute__((always_inline)) inline void add_products(
    const std::uint16_t* x, std::size_t stride, const __m512bh (&w)[Outs],
    __m512 (&acc)[Rows][Outs]) {
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
    const __m512bh a = load(x + r * stride);
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o)
      acc[r][o] = _mm512_dpbf16_ps(acc[r][o], a, w[o]);
  }
}

// `Rows` rows of x from `row` on against `Outs` rows of weights.
template <int Rows, int Outs, bool Fetch>
LAMINA_DOT_TARGET inline void dot(const dot_rows& x, std::uint32_t row,
                                  weight_rows w, results out) {
  __m512 acc[Rows][Outs];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o)
      acc[r][o] = _mm512_setzero_ps();
  const std::uint16_t* left = x.row(row);
  std::size_t i = 0;
  for (; i + line <= x.columns; i += line) {
    __m512bh weights[Outs];
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o) {
      const std::uint16_t* at = w.at + o * w.apart + i;
      if constexpr (Fetch)
        _mm_prefetch(reinterpret_cast<const char*>(at) + ahead_bytes,
                     _MM_HINT_T0);
      weights[o] = load(at);
    }
    add_products(left + i, x.stride, weights, acc);
  }
  if (i < x.columns) {
    __m512bh weights[Outs];
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o)
      weights[o] = load_some(w.at + o * w.apart + i, x.columns - i);
    add_products(left + i, x.stride, weights, acc);
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < Outs; ++o)
      out.at[(row + r) * out.stride + o * out.step] =
          _mm512_reduce_add_ps(acc[r][o]);
}

template <int Rows, int Outs>
LAMINA_DOT_TARGET void all_rows(const dot_rows& x, weight_rows w, results out) {
  dot<Rows, Outs, true>(x, 0, w, out);
  std::uint32_t r = Rows;
  for (; r + Rows <= x.rows; r += Rows)
    dot<Rows, Outs, false>(x, r, w, out);
  for (; r < x.rows; ++r)
    dot<1, Outs, false>(x, r, w, out);
}

// Blocks as even as they can be: 13 rows are 5 and 4 and 4, not 6 and 6 and 1.
template <int Outs>
LAMINA_DOT_TARGET void block(const dot_rows& x, weight_rows w, results out) {
  const std::uint32_t blocks = (x.rows + rows_max - 1) / rows_max;
  switch (x.rows / blocks) {
    case 1:
      return all_rows<1, Outs>(x, w, out);
    case 2:
      return all_rows<2, Outs>(x, w, out);
    case 3:
      return all_rows<3, Outs>(x, w, out);
    case 4:
      return all_rows<4, Outs>(x, w, out);
    case 5:
      return all_rows<5, Outs>(x, w, out);
    default:
      return all_rows<6, Outs>(x, w, out);
  }
}

}  // namespace

bool dots_available() {
  static const bool available = __builtin_cpu_supports("avx512bf16") &&
                                __builtin_cpu_supports("avx512bw") &&
                                __builtin_cpu_supports("avx512vl");
  return available;
}

LAMINA_DOT_TARGET void pack_rows(dot_rows& to, const float* x,
                                 std::uint32_t rows, std::uint32_t columns) {
  to.rows = rows;
  to.columns = columns;
  to.stride = dot_row_bytes(columns) / sizeof(std::uint16_t);
  to.memory.resize(rows * to.stride + line);
  void* begin = to.memory.data();
  std::size_t space = to.memory.size() * sizeof(std::uint16_t);
  to.begin = static_cast<std::uint16_t*>(
      std::align(line * sizeof(std::uint16_t), rows * dot_row_bytes(columns),
                 begin, space));
  for (std::uint32_t r = 0; r < rows; ++r) {
    const float* from = x + std::size_t{r} * columns;
    std::uint16_t* row = to.begin + r * to.stride;
    for (std::size_t i = 0; i < to.stride; i += 16) {
      const std::size_t left = columns - std::min<std::size_t>(i, columns);
      const auto some =
          static_cast<__mmask16>(left >= 16 ? 0xffffu : (1u << left) - 1);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + i),
                          reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(
                              _mm512_maskz_loadu_ps(some, from + i))));
    }
  }
}

// Four streams of weights, a quarter of the outputs each: several pages at
// once keep more of memory busy than one.
void dot_outputs(const dot_rows& x, const matrix& weight, std::uint32_t first,
                 std::uint32_t last, float* out) {
  assert(dots_fit(weight) && x.columns == weight.columns);
  const std::uint32_t quarter = (last - first) / 4;
  for (std::uint32_t i = 0; i < quarter; ++i)
    block<4>(x,
             {weight.row_as<std::uint16_t>(first + i),
              std::size_t{quarter} * weight.columns},
             {out + first + i, weight.rows, quarter});
  for (std::uint32_t o = first + 4 * quarter; o < last; ++o)
    block<1>(x, {weight.row_as<std::uint16_t>(o), 0},
             {out + o, weight.rows, 0});
}

#else

bool dots_available() {
  return false;
}

void pack_rows(dot_rows&, const float*, std::uint32_t, std::uint32_t) {}

void dot_outputs(const dot_rows&, const matrix&, std::uint32_t, std::uint32_t,
                 float*) {}

#endif

bool dots_pay() {
#if defined(__x86_64__)
  return dots_available() && !__builtin_cpu_is("intel");
#else
  return dots_available();
#endif
}

}  // namespace lamina

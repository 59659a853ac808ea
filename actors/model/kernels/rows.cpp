#include "actors/model/kernels/rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/model/kernels/rows.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cmath>

#include "actors/model/kernels/vector-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

void norm_one(const float* x, const float* gain, std::size_t width,
              float epsilon, float* out) {
  const float mean = squares(x, width) / static_cast<float>(width);
  const float scale = 1.0f / std::sqrt(mean + epsilon);
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + step <= width; i += step) {
    const vec scaled = hn::Mul(hn::LoadU(d, x + i), hn::Set(d, scale));
    hn::StoreU(hn::Mul(scaled, hn::LoadU(d, gain + i)), d, out + i);
  }
  for (; i < width; ++i)
    out[i] = x[i] * scale * gain[i];
}

HWY_INLINE float sum_of(const float* x, std::size_t width) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  vec sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + step <= width; i += step)
    sums = hn::Add(sums, hn::LoadU(d, x + i));
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < width; ++i)
    sum += x[i];
  return sum;
}

void layer_norm_one(const float* x, const float* gain, const float* bias,
                    std::size_t width, float epsilon, float* out) {
  const float mean = sum_of(x, width) / static_cast<float>(width);
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + step <= width; i += step)
    hn::StoreU(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean)), d, out + i);
  for (; i < width; ++i)
    out[i] = x[i] - mean;
  const float variance = squares(out, width) / static_cast<float>(width);
  const float scale = 1.0f / std::sqrt(variance + epsilon);
  for (i = 0; i + step <= width; i += step) {
    const vec scaled = hn::Mul(hn::LoadU(d, out + i), hn::Set(d, scale));
    hn::StoreU(
        hn::MulAdd(scaled, hn::LoadU(d, gain + i), hn::LoadU(d, bias + i)), d,
        out + i);
  }
  for (; i < width; ++i)
    out[i] = out[i] * scale * gain[i] + bias[i];
}

// x / (1 + exp(-2 u)) is x * (1 + tanh(u)) / 2.
constexpr float gelu_outer = 1.5957691216057308f;  // 2 sqrt(2 / pi)
constexpr float gelu_inner = 0.044715f;

void gelu_part(float* x, std::size_t count) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const vec one = hn::Set(d, 1.0f);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec v = hn::LoadU(d, x + i);
    const vec cubic =
        hn::MulAdd(hn::Mul(hn::Mul(v, v), v), hn::Set(d, gelu_inner), v);
    const vec twice = hn::Mul(cubic, hn::Set(d, gelu_outer));
    // Highway's exp is undefined far above its range; there gelu is 0.
    const vec e = hn::Exp(d, hn::Min(hn::Neg(twice), hn::Set(d, 87.0f)));
    hn::StoreU(hn::Div(v, hn::Add(one, e)), d, x + i);
  }
  for (; i < count; ++i) {
    const float cubic = x[i] + gelu_inner * x[i] * x[i] * x[i];
    x[i] /= 1.0f + std::exp(-gelu_outer * cubic);
  }
}

void silu_part(float* gate, const float* up, std::size_t count) {
  const lanes d;
  const std::size_t step = hn::Lanes(d);
  const vec one = hn::Set(d, 1.0f);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec g = hn::LoadU(d, gate + i);
    // Highway's exp is undefined far above its range; there silu is 0.
    const vec e = hn::Exp(d, hn::Min(hn::Neg(g), hn::Set(d, 87.0f)));
    const vec s = hn::Div(g, hn::Add(one, e));
    hn::StoreU(hn::Mul(s, hn::LoadU(d, up + i)), d, gate + i);
  }
  for (; i < count; ++i)
    gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <algorithm>
#include <cstring>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/model/kernels/team.hpp"
#include "protocol/floats.hpp"

namespace lamina {
namespace {

HWY_EXPORT(norm_one);
HWY_EXPORT(layer_norm_one);
HWY_EXPORT(gelu_part);
HWY_EXPORT(silu_part);

constexpr std::size_t parallel_elements_min = 32'768;
constexpr std::size_t part_elements = 8'192;

// body(first, size), for stretches of `count` elements that the team shares.
template <class Body>
void for_each_part(std::size_t count, Body body) {
  const auto parts =
      static_cast<std::uint32_t>((count + part_elements - 1) / part_elements);
  for_each_unit(parts, count >= parallel_elements_min, [&](std::uint32_t part) {
    const std::size_t first = part * part_elements;
    body(first, std::min(part_elements, count - first));
  });
}

}  // namespace

void rms_norm(const float* x, std::uint32_t rows, std::span<const float> gain,
              float epsilon, float* out) {
  const std::size_t width = gain.size();
  for_each_unit(rows, rows * width >= parallel_elements_min,
                [&](std::uint32_t r) {
                  HWY_DYNAMIC_DISPATCH(norm_one)
                  (x + r * width, gain.data(), width, epsilon, out + r * width);
                });
}

void layer_norm(const float* x, std::uint32_t rows, std::span<const float> gain,
                std::span<const float> bias, float epsilon, float* out) {
  const std::size_t width = gain.size();
  for_each_unit(rows, rows * width >= parallel_elements_min,
                [&](std::uint32_t r) {
                  HWY_DYNAMIC_DISPATCH(layer_norm_one)
                  (x + r * width, gain.data(), bias.data(), width, epsilon,
                   out + r * width);
                });
}

void silu_multiply(float* gate, const float* up, std::size_t count) {
  for_each_part(count, [&](std::size_t first, std::size_t size) {
    HWY_DYNAMIC_DISPATCH(silu_part)(gate + first, up + first, size);
  });
}

void gelu_tanh(float* x, std::size_t count) {
  for_each_part(count, [&](std::size_t first, std::size_t size) {
    HWY_DYNAMIC_DISPATCH(gelu_part)(x + first, size);
  });
}

void add_bias(float* x, std::uint32_t rows, std::span<const float> bias) {
  if (bias.empty()) return;
  for (std::uint32_t r = 0; r < rows; ++r)
    add(x + r * bias.size(), bias.data(), bias.size());
}

void add(float* x, const float* y, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    x[i] += y[i];
}

void round_to(dtype element, float* x, std::size_t count) {
  if (element == dtype::float32) return;
  for (std::size_t i = 0; i < count; ++i)
    x[i] = float_of_bfloat16(bfloat16_of(x[i]));
}

void narrow_row(const float* x, std::size_t count, dtype element,
                std::byte* out) {
  if (element == dtype::float32) {
    std::memcpy(out, x, count * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t bits = bfloat16_of(x[i]);
    std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
  }
}

void widen_row(const matrix& m, std::size_t r, std::span<float> out) {
  switch (m.element) {
    case weight_type::float32:
      std::copy_n(m.row_as<float>(r), m.columns, out.begin());
      return;
    case weight_type::bfloat16:
      widen_row({m.row(r), m.row_bytes()}, dtype::bfloat16, out);
      return;
    case weight_type::int8:
      for (std::size_t c = 0; c < m.columns; ++c)
        out[c] = m.scales[r] *
                 m.block(r / block_rows)[c * block_rows + r % block_rows];
      return;
  }
}

void rotate_half(float* x, std::uint32_t heads, std::uint32_t half,
                 const float* cosines, const float* sines) {
  for (std::uint32_t h = 0; h < heads; ++h, x += 2 * std::size_t{half})
    for (std::uint32_t i = 0; i < half; ++i) {
      const float low = x[i];
      const float high = x[i + half];
      x[i] = low * cosines[i] - high * sines[i];
      x[i + half] = high * cosines[i] + low * sines[i];
    }
}

}  // namespace lamina

#endif  // HWY_ONCE

#include "actors/codec/row_numbers.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/codec/row_numbers.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/row_lanes-inl.hpp"
#include "protocol/floats.hpp"

#ifndef LAMINA_CODEC_ROW_NUMBERS_ONCE
#define LAMINA_CODEC_ROW_NUMBERS_ONCE

namespace lamina {

template <class Narrow>
inline void narrow_16(std::span<const float> values, std::byte* out,
                      Narrow one) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = one(values[i]);
    std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
  }
}

}  // namespace lamina
#endif  // LAMINA_CODEC_ROW_NUMBERS_ONCE

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

void widen_bfloat16(const std::byte* row, float* out, std::size_t count) {
  const std::size_t step = hn::Lanes(lanes());
  const auto* from = reinterpret_cast<const std::uint16_t*>(row);
  std::size_t i = 0;
  for (; i + step <= count; i += step)
    hn::StoreU(
        hn::BitCast(lanes(), hn::ShiftLeft<16>(hn::PromoteTo(
                                 lanes_u(), hn::LoadU(lanes_16(), from + i)))),
        lanes(), out + i);
  for (; i < count; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, row + i * sizeof bits, sizeof bits);
    out[i] = float_of_bfloat16(bits);
  }
}

void narrow_bfloat16(const float* values, std::byte* row, std::size_t count) {
  const std::size_t step = hn::Lanes(lanes());
  auto* to = reinterpret_cast<std::uint16_t*>(row);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const auto rounded =
        hn::BitCast(lanes_i(), rounded_lanes(hn::LoadU(lanes(), values + i)));
    // The upper half as an unsigned number, which DemoteTo keeps as it is.
    const auto upper = hn::BitCast(
        lanes_i(), hn::ShiftRight<16>(hn::BitCast(lanes_u(), rounded)));
    hn::StoreU(hn::DemoteTo(lanes_16(), upper), lanes_16(), to + i);
  }
  narrow_16({values + i, count - i}, row + 2 * i, bfloat16_of);
}

void subtract_row(const float* x, const float* mean, std::size_t count,
                  float* out) {
  const std::size_t step = hn::Lanes(lanes());
  std::size_t i = 0;
  for (; i + step <= count; i += step)
    hn::StoreU(hn::Sub(hn::LoadU(lanes(), x + i), hn::LoadU(lanes(), mean + i)),
               lanes(), out + i);
  for (; i < count; ++i)
    out[i] = x[i] - mean[i];
}

void add_row(const float* x, const float* mean, std::size_t count, float* out) {
  const std::size_t step = hn::Lanes(lanes());
  std::size_t i = 0;
  for (; i + step <= count; i += step)
    hn::StoreU(hn::Add(hn::LoadU(lanes(), x + i), hn::LoadU(lanes(), mean + i)),
               lanes(), out + i);
  for (; i < count; ++i)
    out[i] = x[i] + mean[i];
}

row_sums sums_of_row(const float* x, const float* previous, std::size_t count,
                     float limit) {
  const std::size_t step = hn::Lanes(lanes());
  const vec bound = hn::Set(lanes(), limit);
  vec magnitudes = hn::Zero(lanes()), squares = magnitudes;
  vec products = magnitudes, previous_squares = magnitudes;
  std::size_t i = 0;
  std::size_t finite = 0;
  for (; i + step <= count; i += step) {
    const vec raw = hn::LoadU(lanes(), x + i);
    const auto mask = finite_mask(raw);
    finite += hn::CountTrue(lanes(), mask);
    const vec v = hn::IfThenElseZero(mask, raw);
    magnitudes = hn::Add(magnitudes, hn::Abs(v));
    squares = hn::Add(squares, hn::Mul(v, v));
    if (previous == nullptr) continue;
    const vec all = usable_lanes(hn::LoadU(lanes(), previous + i));
    const vec p = hn::IfThenElseZero(hn::Le(hn::Abs(all), bound), all);
    products = hn::Add(products, hn::Mul(v, p));
    previous_squares = hn::Add(previous_squares, hn::Mul(p, p));
  }
  row_sums sums{total(magnitudes), total(squares), total(products),
                total(previous_squares), true};
  for (; i < count; ++i) {
    finite += is_finite(x[i]) ? 1 : 0;
    const float v = usable(x[i]);
    const float p = expected(previous, i, 1.0f);
    sums.magnitudes += std::abs(v);
    sums.squares += v * v;
    if (std::abs(p) > limit) continue;
    sums.products += v * p;
    sums.previous_squares += p * p;
  }
  sums.finite = finite == count;
  return sums;
}

float residual_sum(const float* x, const float* previous, std::size_t count,
                   float gain) {
  const std::size_t step = hn::Lanes(lanes());
  const vec g = hn::Set(lanes(), gain);
  vec sum = hn::Zero(lanes());
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec v = usable_lanes(hn::LoadU(lanes(), x + i));
    sum = hn::Add(sum, hn::Abs(hn::Sub(v, expected_lanes(previous, i, g))));
  }
  float all = total(sum);
  for (; i < count; ++i)
    all += std::abs(usable(x[i]) - expected(previous, i, gain));
  return all;
}

limited_squares squares_below(const float* x, std::size_t count, float limit) {
  const std::size_t step = hn::Lanes(lanes());
  const vec bound = hn::Set(lanes(), limit);
  vec sum = hn::Zero(lanes());
  std::size_t below = 0;
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec v = hn::LoadU(lanes(), x + i);
    const auto mask = hn::Le(hn::Abs(v), bound);
    below += hn::CountTrue(lanes(), mask);
    sum = hn::Add(sum, hn::IfThenElseZero(mask, hn::Mul(v, v)));
  }
  float all = total(sum);
  for (; i < count; ++i)
    if (std::abs(x[i]) <= limit) {
      all += x[i] * x[i];
      ++below;
    }
  return {all, static_cast<float>(below)};
}

template <bool Round>
error_sums errors_of(const float* x, const float* decoded, std::size_t count,
                     float limit) {
  const std::size_t step = hn::Lanes(lanes());
  const vec bound = hn::Set(lanes(), limit);
  vec all = hn::Zero(lanes()), largest = all;
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec v = hn::LoadU(lanes(), x + i);
    vec d = hn::LoadU(lanes(), decoded + i);
    if constexpr (Round) d = rounded_lanes(d);
    const vec e = hn::Sub(d, v);
    const vec square = hn::Mul(e, e);
    all = hn::Add(all, square);
    largest =
        hn::Add(largest, hn::IfThenElseZero(hn::Gt(hn::Abs(v), bound), square));
  }
  error_sums sums{0, total(largest)};
  sums.ordinary = std::max(0.0f, total(all) - sums.largest);
  for (; i < count; ++i) {
    const float d =
        Round ? float_of_bfloat16(bfloat16_of(decoded[i])) : decoded[i];
    const float e = d - x[i];
    (std::abs(x[i]) > limit ? sums.largest : sums.ordinary) += e * e;
  }
  return sums;
}

error_sums errors_rounded(const float* x, const float* decoded,
                          std::size_t count, float limit) {
  return errors_of<true>(x, decoded, count, limit);
}
error_sums errors_as_is(const float* x, const float* decoded, std::size_t count,
                        float limit) {
  return errors_of<false>(x, decoded, count, limit);
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace lamina {
namespace {

HWY_EXPORT(widen_bfloat16);
HWY_EXPORT(narrow_bfloat16);
HWY_EXPORT(subtract_row);
HWY_EXPORT(add_row);
HWY_EXPORT(sums_of_row);
HWY_EXPORT(residual_sum);
HWY_EXPORT(squares_below);
HWY_EXPORT(errors_rounded);
HWY_EXPORT(errors_as_is);

}  // namespace

void widen_exact(const std::byte* row, dtype element, std::span<float> out) {
  if (element == dtype::bfloat16)
    HWY_DYNAMIC_DISPATCH(widen_bfloat16)(row, out.data(), out.size());
  else
    widen_row({row, out.size() * size_of(element)}, element, out);
}

void narrow(std::span<const float> values, dtype element, std::byte* out) {
  switch (element) {
    case dtype::float32:
      std::memcpy(out, values.data(), values.size_bytes());
      return;
    case dtype::bfloat16:
      HWY_DYNAMIC_DISPATCH(narrow_bfloat16)
      (values.data(), out, values.size());
      return;
    case dtype::float16:
      narrow_16(values, out, float16_of);
      return;
  }
}

void subtract_mean(std::span<const float> x, std::span<const float> mean,
                   float* out) {
  HWY_DYNAMIC_DISPATCH(subtract_row)(x.data(), mean.data(), x.size(), out);
}

void add_mean(std::span<const float> x, std::span<const float> mean,
              float* out) {
  HWY_DYNAMIC_DISPATCH(add_row)(x.data(), mean.data(), x.size(), out);
}

row_sums sum_row(std::span<const float> x, const float* previous, float limit) {
  return HWY_DYNAMIC_DISPATCH(sums_of_row)(x.data(), previous, x.size(), limit);
}

float sum_residual(std::span<const float> x, const float* previous,
                   float gain) {
  return HWY_DYNAMIC_DISPATCH(residual_sum)(x.data(), previous, x.size(), gain);
}

limited_squares sum_squares_below(std::span<const float> x, float limit) {
  return HWY_DYNAMIC_DISPATCH(squares_below)(x.data(), x.size(), limit);
}

error_sums sum_errors(std::span<const float> x, const float* decoded,
                      dtype element, float limit) {
  if (element == dtype::bfloat16)
    return HWY_DYNAMIC_DISPATCH(errors_rounded)(x.data(), decoded, x.size(),
                                                limit);
  if (element == dtype::float32)
    return HWY_DYNAMIC_DISPATCH(errors_as_is)(x.data(), decoded, x.size(),
                                              limit);
  std::vector<std::byte> narrowed(x.size() * size_of(element));
  std::vector<float> rounded(x.size());
  narrow({decoded, x.size()}, element, narrowed.data());
  widen_exact(narrowed.data(), element, rounded);
  return HWY_DYNAMIC_DISPATCH(errors_as_is)(x.data(), rounded.data(), x.size(),
                                            limit);
}

}  // namespace lamina
#endif  // HWY_ONCE

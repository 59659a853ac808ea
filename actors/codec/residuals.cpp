#include "actors/codec/residuals.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/codec/residuals.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "actors/codec/gather-inl.hpp"
#include "actors/codec/row_lanes-inl.hpp"
#include "actors/codec/symbol_tables.hpp"

#ifndef LAMINA_CODEC_RESIDUALS_ONCE
#define LAMINA_CODEC_RESIDUALS_ONCE

namespace lamina {

// round(q / 2^low_bits) as a symbol, 0 where it does not fit
inline std::int32_t symbol_of(std::int32_t q, std::uint32_t low_bits) {
  const std::int32_t half = low_bits == 0 ? 0 : 1 << (low_bits - 1);
  const std::int32_t m = (q + half) >> low_bits;
  return m < -31 || m > 31 ? 0 : m + residual_zero;
}

}  // namespace lamina
#endif  // LAMINA_CODEC_RESIDUALS_ONCE

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

// Far above any residual that is worth quantising, and exact as a float.
constexpr float residual_max = 1073741824.0f;

float quantise_row(const float* x, const float* previous, std::size_t count,
                   const lossy_step& s, float rounding, std::int32_t* q,
                   float* decoded) {
  const std::size_t step = hn::Lanes(lanes());
  const vec gain = hn::Set(lanes(), s.gain);
  const vec size = hn::Set(lanes(), s.step);
  const vec inverse = hn::Set(lanes(), 1.0f / s.step);
  const vec up = hn::Set(lanes(), rounding);
  const vec most = hn::Set(lanes(), residual_max);
  vec sum = hn::Zero(lanes());
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec p = expected_lanes(previous, i, gain);
    const vec r = hn::Mul(hn::Sub(hn::LoadU(lanes(), x + i), p), inverse);
    const vec m = hn::Min(hn::Add(hn::Abs(r), up), most);
    const vec_i n = hn::ConvertTo(lanes_i(), hn::CopySign(m, r));
    hn::StoreU(n, lanes_i(), q + i);
    const vec whole = hn::ConvertTo(lanes(), n);
    sum = hn::Add(sum, hn::Abs(whole));
    hn::StoreU(hn::Add(p, hn::Mul(size, whole)), lanes(), decoded + i);
  }
  float all = total(sum);
  for (; i < count; ++i) {
    const float r = (x[i] - expected(previous, i, s.gain)) * (1.0f / s.step);
    const float m = std::min(std::abs(r) + rounding, residual_max);
    q[i] = static_cast<std::int32_t>(std::copysign(m, r));
    all += std::abs(static_cast<float>(q[i]));
    decoded[i] = reconstruct(previous == nullptr ? 0.0f : previous[i], s, q[i]);
  }
  return all;
}

std::size_t split_residual_row(const std::int32_t* q, std::size_t count,
                               std::uint32_t low_bits,
                               const std::uint32_t* encode,
                               std::uint32_t* entries, std::uint8_t* low) {
  const lanes_i di;
  const std::size_t step = hn::Lanes(di);
  const std::int32_t half = low_bits == 0 ? 0 : 1 << (low_bits - 1);
  const auto low_mask = hn::Set(di, (1 << low_bits) - 1);
  const auto escape = hn::Set(lanes_u(), encode[0]);
  const auto slots_mask = hn::Set(lanes_u(), 0xfffu);
  std::size_t escapes = 0;
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const auto n = hn::Add(hn::LoadU(di, q + i), hn::Set(di, half));
    const auto m = hn::ShiftRightSame(n, static_cast<int>(low_bits));
    const auto fits = hn::Lt(hn::Abs(m), hn::Set(di, 32));
    const auto symbol =
        hn::IfThenElseZero(fits, hn::Add(m, hn::Set(di, residual_zero)));
    const auto entry = look_up(lanes_u(), encode, symbol);
    const auto none =
        hn::Or(hn::Eq(hn::And(entry, slots_mask), hn::Zero(lanes_u())),
               hn::Eq(entry, escape));
    escapes += hn::CountTrue(lanes_u(), none);
    hn::StoreU(hn::IfThenElse(none, escape, entry), lanes_u(), entries + i);
    if (low_bits != 0)
      hn::StoreU(hn::DemoteTo(lanes_8(), hn::And(n, low_mask)), lanes_8(),
                 low + i);
  }
  for (; i < count; ++i) {
    auto symbol = static_cast<std::uint32_t>(symbol_of(q[i], low_bits));
    if ((encode[symbol] & 0xfffu) == 0) symbol = 0;
    escapes += symbol == 0 ? 1 : 0;
    entries[i] = encode[symbol];
    if (low_bits != 0)
      low[i] = static_cast<std::uint8_t>((q[i] + half) & ((1 << low_bits) - 1));
  }
  return escapes;
}

void join_residual_row(const std::uint8_t* symbols, std::size_t count,
                       const std::uint8_t* low, std::uint32_t low_bits,
                       const float* previous, const lossy_step& s,
                       float* decoded) {
  const lanes_i di;
  const std::size_t step = hn::Lanes(di);
  const std::int32_t half = low_bits == 0 ? 0 : 1 << (low_bits - 1);
  const auto zero = hn::Set(di, residual_zero);
  const vec gain = hn::Set(lanes(), s.gain);
  const vec size = hn::Set(lanes(), s.step);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    auto q =
        hn::Sub(hn::PromoteTo(di, hn::LoadU(lanes_8(), symbols + i)), zero);
    if (low_bits != 0)
      q = hn::Sub(hn::Add(hn::ShiftLeftSame(q, static_cast<int>(low_bits)),
                          hn::PromoteTo(di, hn::LoadU(lanes_8(), low + i))),
                  hn::Set(di, half));
    const vec p = expected_lanes(previous, i, gain);
    hn::StoreU(hn::Add(p, hn::Mul(size, hn::ConvertTo(lanes(), q))), lanes(),
               decoded + i);
  }
  for (; i < count; ++i) {
    std::int32_t q = std::int32_t{symbols[i]} - residual_zero;
    if (low_bits != 0) q = q * (1 << low_bits) + low[i] - half;
    decoded[i] = reconstruct(previous == nullptr ? 0.0f : previous[i], s, q);
  }
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace lamina {
namespace {

HWY_EXPORT(quantise_row);
HWY_EXPORT(split_residual_row);
HWY_EXPORT(join_residual_row);

}  // namespace

float quantise(std::span<const float> x, const float* previous,
               const lossy_step& s, float rounding, std::int32_t* q,
               float* decoded) {
  return HWY_DYNAMIC_DISPATCH(quantise_row)(x.data(), previous, x.size(), s,
                                            rounding, q, decoded);
}

std::size_t split_residuals(std::span<const std::int32_t> q,
                            std::uint32_t low_bits, const std::uint32_t* encode,
                            std::uint32_t* entries, std::uint8_t* low) {
  return HWY_DYNAMIC_DISPATCH(split_residual_row)(q.data(), q.size(), low_bits,
                                                  encode, entries, low);
}

void join_residuals(std::span<const std::uint8_t> symbols,
                    const std::uint8_t* low, std::uint32_t low_bits,
                    const float* previous, const lossy_step& s,
                    float* decoded) {
  HWY_DYNAMIC_DISPATCH(join_residual_row)
  (symbols.data(), symbols.size(), low, low_bits, previous, s, decoded);
}

float reconstruct(float previous, const lossy_step& s, std::int32_t q) {
  const float p = s.gain * usable(previous);
  return p + s.step * static_cast<float>(q);
}

}  // namespace lamina
#endif  // HWY_ONCE

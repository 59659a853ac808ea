#include "actors/codec/row_kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/codec/row_kernels.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/gather-inl.hpp"
#include "actors/codec/symbol_tables.hpp"
#include "protocol/floats.hpp"

#ifndef LAMINA_CODEC_ROW_KERNELS_ONCE
#define LAMINA_CODEC_ROW_KERNELS_ONCE

namespace lamina {

constexpr std::uint32_t magnitude_mask = 0x7fffffffu;
constexpr std::uint32_t infinity_bits = 0x7f800000u;
constexpr unsigned magnitude_shift = 21;

inline std::uint32_t bits_of(float x) {
  return std::bit_cast<std::uint32_t>(x);
}

inline bool is_finite(float x) {
  return (bits_of(x) & magnitude_mask) < infinity_bits;
}

// A number to predict from: what is not finite predicts zero.
inline float usable(float x) {
  return is_finite(x) ? x : 0.0f;
}

inline float expected(const float* previous, std::size_t i, float gain) {
  return previous == nullptr ? 0.0f : gain * usable(previous[i]);
}

inline std::uint16_t table_for(float expected_value, std::uint32_t reference) {
  const auto index = static_cast<std::int32_t>(
      (bits_of(expected_value) & magnitude_mask) >> magnitude_shift);
  const std::int32_t context =
      std::clamp(index - static_cast<std::int32_t>(reference), context_first,
                 context_first + contexts - 1);
  return static_cast<std::uint16_t>(static_cast<std::int32_t>(reference & 3) *
                                        contexts +
                                    context - context_first);
}

// round(q / 2^low_bits) as a symbol, 0 where it does not fit
inline std::int32_t symbol_of(std::int32_t q, std::uint32_t low_bits) {
  const std::int32_t half = low_bits == 0 ? 0 : 1 << (low_bits - 1);
  const std::int32_t m = (q + half) >> low_bits;
  return m < -31 || m > 31 ? 0 : m + residual_zero;
}

template <class Narrow>
inline void narrow_16(std::span<const float> values, std::byte* out,
                      Narrow one) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = one(values[i]);
    std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
  }
}

}  // namespace lamina
#endif  // LAMINA_CODEC_ROW_KERNELS_ONCE

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using lanes = hn::ScalableTag<float>;
using lanes_i = hn::RebindToSigned<lanes>;
using lanes_u = hn::RebindToUnsigned<lanes>;
using lanes_16 = hn::Rebind<std::uint16_t, lanes>;
using lanes_8 = hn::Rebind<std::uint8_t, lanes>;
using vec = hn::Vec<lanes>;
using vec_i = hn::Vec<lanes_i>;
using vec_u = hn::Vec<lanes_u>;

HWY_INLINE vec_u magnitude_bits(vec x) {
  return hn::And(hn::BitCast(lanes_u(), x), hn::Set(lanes_u(), magnitude_mask));
}

// As signed numbers: the magnitude's top bit is clear.
HWY_INLINE auto finite_mask(vec x) {
  return hn::RebindMask(
      lanes(),
      hn::Lt(hn::BitCast(lanes_i(), magnitude_bits(x)),
             hn::Set(lanes_i(), static_cast<std::int32_t>(infinity_bits))));
}

HWY_INLINE vec usable_lanes(vec x) {
  return hn::IfThenElseZero(finite_mask(x), x);
}

HWY_INLINE vec expected_lanes(const float* previous, std::size_t i, vec gain) {
  return previous == nullptr
             ? hn::Zero(lanes())
             : hn::Mul(gain, usable_lanes(hn::LoadU(lanes(), previous + i)));
}

HWY_INLINE float total(vec sum) {
  return hn::GetLane(hn::SumOfLanes(lanes(), sum));
}

HWY_INLINE vec rounded_lanes(vec x) {
  const auto bits = hn::BitCast(lanes_u(), x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(lanes_u(), 1));
  const auto up = hn::Add(hn::Add(bits, hn::Set(lanes_u(), 0x7fff)), odd);
  return hn::BitCast(lanes(), hn::ShiftLeft<16>(hn::ShiftRight<16>(up)));
}

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

void table_row(const float* previous, std::size_t count,
               const magnitude_step& s, std::uint16_t* tables) {
  const lanes_i di;
  const std::size_t step = hn::Lanes(di);
  const vec gain = hn::Set(lanes(), s.gain);
  const auto reference = static_cast<std::int32_t>(s.reference);
  const auto least = hn::Set(di, context_first);
  const auto most = hn::Set(di, context_first + contexts - 1);
  const auto first = hn::Set(di, (reference & 3) * contexts - context_first);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const auto index =
        hn::BitCast(di, hn::ShiftRight<magnitude_shift>(
                            magnitude_bits(expected_lanes(previous, i, gain))));
    const auto context =
        hn::Min(hn::Max(hn::Sub(index, hn::Set(di, reference)), least), most);
    hn::StoreU(hn::DemoteTo(lanes_16(), hn::Add(context, first)), lanes_16(),
               tables + i);
  }
  for (; i < count; ++i)
    tables[i] = table_for(expected(previous, i, s.gain), s.reference);
}

// The entry of one channel without asking whether it has slots.
HWY_INLINE std::uint32_t magnitude_symbol(float x, float expected_value,
                                          std::uint32_t reference) {
  const auto index = static_cast<std::int32_t>((bits_of(x) & magnitude_mask) >>
                                               magnitude_shift);
  const std::int32_t symbol =
      index - static_cast<std::int32_t>(reference) - magnitude_first;
  if (symbol < 0 || symbol >= magnitudes) return 2 * magnitudes;
  const bool differ = ((bits_of(x) ^ bits_of(expected_value)) >> 31) != 0;
  return static_cast<std::uint32_t>(differ ? symbol + magnitudes : symbol);
}

std::size_t split_magnitude_row(const float* x, const float* previous,
                                std::size_t count, const magnitude_step& s,
                                const std::uint16_t* tables,
                                const std::uint32_t* encode,
                                std::uint32_t* entries, std::uint8_t* low) {
  const lanes_i di;
  const std::uint32_t low_mask = (1u << s.low_bits) - 1;
  const std::size_t step = hn::Lanes(di);
  const vec gain = hn::Set(lanes(), s.gain);
  const auto shift =
      hn::Set(di, static_cast<std::int32_t>(s.reference) + magnitude_first);
  const auto escape = hn::Set(di, 2 * magnitudes);
  std::size_t escapes = 0;
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const vec v = hn::LoadU(lanes(), x + i);
    const vec p = expected_lanes(previous, i, gain);
    const auto index =
        hn::BitCast(di, hn::ShiftRight<magnitude_shift>(magnitude_bits(v)));
    auto symbol = hn::Sub(index, shift);
    // One unsigned comparison's worth: no bit outside the lower six.
    const auto fits =
        hn::Eq(hn::AndNot(hn::Set(di, magnitudes - 1), symbol), hn::Zero(di));
    const auto differ =
        hn::ShiftRight<31>(hn::BitCast(lanes_u(), hn::Xor(v, p)));
    symbol = hn::IfThenElse(
        fits, hn::Add(symbol, hn::BitCast(di, hn::ShiftLeft<6>(differ))),
        escape);
    const auto first =
        hn::BitCast(di, hn::ShiftLeft<8>(hn::PromoteTo(
                            lanes_u(), hn::LoadU(lanes_16(), tables + i))));
    const auto entry = look_up(lanes_u(), encode, hn::Add(symbol, first));
    const auto none =
        hn::RebindMask(di, hn::Eq(hn::And(entry, hn::Set(lanes_u(), 0xfffu)),
                                  hn::Zero(lanes_u())));
    const auto all_escapes = hn::Or(none, hn::Eq(symbol, escape));
    hn::StoreU(entry, lanes_u(), entries + i);
    // Rare, and a second gather would be dear.
    if (!hn::AllFalse(di, all_escapes)) {
      escapes += hn::CountTrue(di, all_escapes);
      for (std::size_t j = i; j < i + step; ++j)
        if ((entries[j] & 0xfffu) == 0)
          entries[j] = encode[tables[j] * 256u + 2 * magnitudes];
    }
    const auto below =
        hn::And(hn::ShiftRightSame(hn::BitCast(lanes_u(), v),
                                   static_cast<int>(s.low_shift)),
                hn::Set(lanes_u(), low_mask));
    hn::StoreU(hn::DemoteTo(lanes_8(), hn::BitCast(di, below)), lanes_8(),
               low + i);
  }
  for (; i < count; ++i) {
    low[i] = static_cast<std::uint8_t>(bits_of(x[i]) >> s.low_shift & low_mask);
    const std::uint32_t first = std::uint32_t{tables[i]} * 256;
    std::uint32_t symbol =
        magnitude_symbol(x[i], expected(previous, i, s.gain), s.reference);
    if ((encode[first + symbol] & 0xfffu) == 0) symbol = 2 * magnitudes;
    escapes += symbol == 2 * magnitudes ? 1 : 0;
    entries[i] = encode[first + symbol];
  }
  return escapes;
}

void join_magnitude_row(const std::uint8_t* symbols, std::size_t count,
                        const std::uint8_t* low, const float* previous,
                        const magnitude_step& s, float* decoded) {
  const lanes_u du;
  const std::size_t step = hn::Lanes(du);
  const vec gain = hn::Set(lanes(), s.gain);
  const std::uint32_t shift =
      s.reference + static_cast<std::uint32_t>(magnitude_first);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const auto symbol = hn::PromoteTo(du, hn::LoadU(lanes_8(), symbols + i));
    const auto p = hn::BitCast(du, expected_lanes(previous, i, gain));
    const auto index =
        hn::And(hn::Add(hn::And(symbol, hn::Set(du, magnitudes - 1)),
                        hn::Set(du, shift)),
                hn::Set(du, 0x3ffu));
    const auto sign = hn::And(hn::Xor(hn::ShiftLeft<25>(symbol), p),
                              hn::Set(du, 0x80000000u));
    const auto bits = hn::Or(
        hn::Or(sign, hn::ShiftLeft<magnitude_shift>(index)),
        hn::ShiftLeftSame(hn::PromoteTo(du, hn::LoadU(lanes_8(), low + i)),
                          static_cast<int>(s.low_shift)));
    hn::StoreU(hn::BitCast(lanes(), bits), lanes(), decoded + i);
  }
  for (; i < count; ++i) {
    const std::uint32_t index =
        ((symbols[i] & (magnitudes - 1u)) + shift) & 0x3ffu;
    const std::uint32_t sign = (std::uint32_t{symbols[i]} << 25 ^
                                bits_of(expected(previous, i, s.gain))) &
                               0x80000000u;
    decoded[i] = std::bit_cast<float>(sign | index << magnitude_shift |
                                      std::uint32_t{low[i]} << s.low_shift);
  }
}

void pack_plane_row(const std::uint8_t* low, std::size_t count,
                    std::uint32_t bits, std::byte* planes) {
  const hn::ScalableTag<std::uint8_t> d;
  const std::size_t step = hn::Lanes(d);
  const std::size_t stride = plane_bytes(count);
  std::size_t i = 0;
  for (; step >= 8 && i + step <= count; i += step) {
    const auto v = hn::LoadU(d, low + i);
    for (std::uint32_t b = 0; b < bits; ++b) {
      std::uint8_t mask[64];
      hn::StoreMaskBits(
          d, hn::TestBit(v, hn::Set(d, static_cast<std::uint8_t>(1u << b))),
          mask);
      std::memcpy(planes + b * stride + i / 8, mask, step / 8);
    }
  }
  for (; i < count; i += 8)
    for (std::uint32_t b = 0; b < bits; ++b) {
      unsigned byte = 0;
      for (std::size_t j = i; j < std::min(count, i + 8); ++j)
        byte |= (low[j] >> b & 1u) << (j - i);
      planes[b * stride + i / 8] = static_cast<std::byte>(byte);
    }
}

void unpack_plane_row(const std::byte* planes, std::size_t count,
                      std::uint32_t bits, std::uint8_t* low) {
  const hn::ScalableTag<std::uint8_t> d;
  const std::size_t step = hn::Lanes(d);
  const std::size_t stride = plane_bytes(count);
  const auto* from = reinterpret_cast<const std::uint8_t*>(planes);
  std::size_t i = 0;
  for (; step >= 8 && i + step <= count; i += step) {
    auto v = hn::Zero(d);
    for (std::uint32_t b = 0; b < bits; ++b)
      v = hn::Or(v, hn::IfThenElseZero(
                        hn::LoadMaskBits(d, from + b * stride + i / 8),
                        hn::Set(d, static_cast<std::uint8_t>(1u << b))));
    hn::StoreU(v, d, low + i);
  }
  for (; i < count; ++i) {
    unsigned v = 0;
    for (std::uint32_t b = 0; b < bits; ++b)
      v |= (from[b * stride + i / 8] >> i % 8 & 1u) << b;
    low[i] = static_cast<std::uint8_t>(v);
  }
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <vector>

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
HWY_EXPORT(quantise_row);
HWY_EXPORT(split_residual_row);
HWY_EXPORT(join_residual_row);
HWY_EXPORT(table_row);
HWY_EXPORT(split_magnitude_row);
HWY_EXPORT(join_magnitude_row);
HWY_EXPORT(pack_plane_row);
HWY_EXPORT(unpack_plane_row);

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

void choose_tables(const float* previous, std::size_t count,
                   const magnitude_step& s, std::uint16_t* tables) {
  HWY_DYNAMIC_DISPATCH(table_row)(previous, count, s, tables);
}

std::size_t split_magnitudes(std::span<const float> x, const float* previous,
                             const magnitude_step& s,
                             const std::uint16_t* tables,
                             const std::uint32_t* encode,
                             std::uint32_t* entries, std::uint8_t* low) {
  return HWY_DYNAMIC_DISPATCH(split_magnitude_row)(
      x.data(), previous, x.size(), s, tables, encode, entries, low);
}

void join_magnitudes(std::span<const std::uint8_t> symbols,
                     const std::uint8_t* low, const float* previous,
                     const magnitude_step& s, float* decoded) {
  HWY_DYNAMIC_DISPATCH(join_magnitude_row)
  (symbols.data(), symbols.size(), low, previous, s, decoded);
}

void pack_planes(std::span<const std::uint8_t> low, std::uint32_t bits,
                 std::byte* planes) {
  HWY_DYNAMIC_DISPATCH(pack_plane_row)(low.data(), low.size(), bits, planes);
}

void unpack_planes(const std::byte* planes, std::uint32_t bits,
                   std::span<std::uint8_t> low) {
  HWY_DYNAMIC_DISPATCH(unpack_plane_row)(planes, low.size(), bits, low.data());
}

}  // namespace lamina
#endif  // HWY_ONCE

#include "actors/codec/magnitudes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/codec/magnitudes.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

#include <algorithm>
#include <bit>

#include "actors/codec/gather-inl.hpp"
#include "actors/codec/row_lanes-inl.hpp"
#include "actors/codec/symbol_tables.hpp"

#ifndef LAMINA_CODEC_MAGNITUDES_ONCE
#define LAMINA_CODEC_MAGNITUDES_ONCE

namespace lamina {

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

}  // namespace lamina
#endif  // LAMINA_CODEC_MAGNITUDES_ONCE

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {

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

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace lamina {
namespace {

HWY_EXPORT(table_row);
HWY_EXPORT(split_magnitude_row);
HWY_EXPORT(join_magnitude_row);

}  // namespace

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

}  // namespace lamina
#endif  // HWY_ONCE

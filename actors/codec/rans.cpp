#include "actors/codec/rans.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "actors/codec/rans.cpp"
#include <hwy/foreach_target.h>
// Highway wants its loop over targets before anything it compiles.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>

#include "actors/codec/gather-inl.hpp"
#include "actors/codec/symbol_tables.hpp"

#ifndef LAMINA_CODEC_RANS_ONCE
#define LAMINA_CODEC_RANS_ONCE

namespace lamina {

// For a mask of 8 lanes, which of the packed words each lane takes. Packed
// words start at the bottom for the decoder; for the encoder, which writes
// downwards, they end at the top.
struct word_orders {
  std::array<std::array<std::uint8_t, 8>, 256> spread;    // [mask][lane]
  std::array<std::array<std::uint8_t, 8>, 256> gather_8;  // [mask][word]
  std::array<std::array<std::uint8_t, 8>, 16> gather_4;
};

constexpr word_orders make_word_orders() {
  word_orders orders{};
  for (unsigned mask = 0; mask < 256; ++mask) {
    unsigned packed = 0;
    const auto total = static_cast<unsigned>(std::popcount(mask));
    for (unsigned lane = 0; lane < 8; ++lane) {
      orders.spread[mask][lane] = static_cast<std::uint8_t>(packed & 7);
      if ((mask >> lane & 1) == 0) continue;
      orders.gather_8[mask][8 - total + packed] =
          static_cast<std::uint8_t>(lane);
      if (mask < 16)
        orders.gather_4[mask][4 - total + packed] =
            static_cast<std::uint8_t>(lane);
      ++packed;
    }
  }
  // Four lanes must not be sent beyond the fourth word.
  for (unsigned mask = 0; mask < 16; ++mask)
    for (unsigned lane = 0; lane < 4; ++lane)
      orders.spread[mask][lane] &= 3;
  return orders;
}

inline constexpr word_orders orders = make_word_orders();

constexpr std::uint32_t slots_mask = 0xfff;
// A state of a symbol with f slots must be below f << this to take it in.
constexpr unsigned limit_shift = 31 - probability_bits;

// x / slots for x < slots << limit_shift is x * reciprocal >> reciprocal_shift:
// rounding the reciprocal up adds less to the quotient than x / 2^shift, which
// is less than slots / 2^(2 * probability_bits) and so than 1 / slots. A
// division takes a processor several times as long.
constexpr unsigned reciprocal_shift = limit_shift + 2 * probability_bits;

constexpr auto make_reciprocals() {
  std::array<std::uint64_t, probability_slots> of{};
  for (std::uint64_t slots = 1; slots < of.size(); ++slots)
    of[slots] = ((std::uint64_t{1} << reciprocal_shift) + slots - 1) / slots;
  return of;
}

inline constexpr auto reciprocals = make_reciprocals();

// Without branches, which a compiler makes of anything but arithmetic: whether
// a state spills is a coin toss.
inline std::uint16_t* encode_one(std::uint32_t entry, std::uint32_t& state,
                                 std::uint16_t* end) {
  const std::uint32_t slots = entry & slots_mask;
  const std::uint32_t large = state >= slots << limit_shift ? 1 : 0;
  end[-1] = static_cast<std::uint16_t>(state);
  end -= large;
  const std::uint32_t x = state >> (16 * large);
  const auto quotient =
      static_cast<std::uint32_t>(x * reciprocals[slots] >> reciprocal_shift);
  // quotient << probability_bits, and what the division leaves.
  state = x + quotient * (probability_slots - slots) + (entry >> 12);
  return end;
}

inline std::uint8_t decode_one(const std::uint32_t* table, std::uint32_t& state,
                               const std::uint16_t*& words) {
  const std::uint32_t entry = table[state & (probability_slots - 1)];
  const std::uint32_t x =
      (entry >> 12 & slots_mask) * (state >> probability_bits) +
      (entry & slots_mask);
  // Signed, as vectors compare: of hostile words all make the same, too.
  const std::uint32_t small =
      static_cast<std::int32_t>(x) < static_cast<std::int32_t>(rans_state_first)
          ? 1
          : 0;
  state = x << (16 * small) | (*words & (0u - small));
  words += small;
  return static_cast<std::uint8_t>(entry >> 24);
}

}  // namespace lamina
#endif  // LAMINA_CODEC_RANS_ONCE

HWY_BEFORE_NAMESPACE();
namespace lamina::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

// Without vectors: one symbol after the other.
struct many_coders {
  static constexpr std::size_t lanes = rans_lanes_max;

  static std::uint16_t* encode(const std::uint32_t* entries, std::size_t count,
                               std::uint32_t* states, std::uint16_t* end) {
    for (std::size_t i = count; i-- > 0;)
      end = encode_one(entries[i], states[i % lanes], end);
    return end;
  }

  template <bool OneTable>
  static const std::uint16_t* decode(const std::uint32_t* table,
                                     const std::uint16_t* tables,
                                     std::size_t count, std::uint32_t* states,
                                     const std::uint16_t* words,
                                     std::uint8_t* symbols) {
    for (std::size_t i = 0; i < count; ++i)
      symbols[i] = decode_one(
          OneTable ? table : table + std::size_t{tables[i]} * probability_slots,
          states[i % lanes], words);
    return words;
  }
};

#else

// Vectors of four or eight 32-bit lanes, `count` of which hold all states.
struct many_coders {
  static constexpr std::size_t lanes = rans_lanes_max;
  using d32 = hn::CappedTag<std::uint32_t, 8>;
  using di32 = hn::RebindToSigned<d32>;
  using df32 = hn::RebindToFloat<d32>;
  using d16 = hn::Rebind<std::uint16_t, d32>;
  using d8 = hn::Rebind<std::uint8_t, d32>;
  using states = hn::Vec<d32>;
  static constexpr std::size_t step = hn::MaxLanes(d32());
  static constexpr std::size_t count = lanes / step;
  static_assert(step == 4 || step == 8);

  template <class Mask>
  static HWY_INLINE unsigned bits_of(Mask mask) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(d32(), mask, bytes);
    unsigned bits = bytes[0];
    // GCC 12 may else keep the mask's one byte in memory and read four there,
    // as it does in a build for the thread sanitizer.
    asm("" : "+r"(bits));
    return bits;
  }

  static HWY_INLINE states reorder(states from, const std::uint8_t* order) {
    const auto indices = hn::PromoteTo(d32(), hn::LoadU(d8(), order));
    return hn::TableLookupLanes(from, hn::IndicesFromVec(d32(), indices));
  }

  // Writes the low words of the states that are too large, downwards.
  static HWY_INLINE std::uint16_t* spill(states& x, states slots,
                                         std::uint16_t* end) {
    const auto limit = hn::ShiftLeft<limit_shift>(slots);
    const auto large =
        hn::Not(hn::Lt(hn::BitCast(di32(), x), hn::BitCast(di32(), limit)));
    const auto mask = hn::RebindMask(d32(), large);
    const unsigned bits = bits_of(mask);
    const auto* order =
        step == 8 ? orders.gather_8[bits].data() : orders.gather_4[bits].data();
    const auto low = hn::And(x, hn::Set(d32(), 0xffffu));
    const auto packed = reorder(low, order);
    hn::StoreU(hn::DemoteTo(d16(), hn::BitCast(di32(), packed)), d16(),
               end - step);
    x = hn::IfThenElse(mask, hn::ShiftRight<16>(x), x);
    return end - std::popcount(bits);
  }

  // x / slots and x % slots for x < slots * 2^20 < 2^31: the float quotient is
  // at most one off.
  static HWY_INLINE states push(states x, states slots, states first) {
    const auto xi = hn::BitCast(di32(), x);
    const auto si = hn::BitCast(di32(), slots);
    auto quotient = hn::ConvertTo(
        di32(), hn::Div(hn::ConvertTo(df32(), xi), hn::ConvertTo(df32(), si)));
    auto rest = hn::Sub(xi, hn::Mul(quotient, si));
    const auto one = hn::Set(di32(), 1);
    const auto low = hn::Lt(rest, hn::Zero(di32()));
    quotient = hn::Sub(quotient, hn::IfThenElseZero(low, one));
    rest = hn::Add(rest, hn::IfThenElseZero(low, si));
    const auto high = hn::Not(hn::Lt(rest, si));
    quotient = hn::Add(quotient, hn::IfThenElseZero(high, one));
    rest = hn::Sub(rest, hn::IfThenElseZero(high, si));
    return hn::Add(
        hn::BitCast(d32(),
                    hn::Add(hn::ShiftLeft<probability_bits>(quotient), rest)),
        first);
  }

  static std::uint16_t* encode(const std::uint32_t* entries,
                               std::size_t symbols, std::uint32_t* memory,
                               std::uint16_t* end) {
    const std::size_t whole = symbols - symbols % lanes;
    for (std::size_t i = symbols; i-- > whole;)
      end = encode_one(entries[i], memory[i - whole], end);
    states x[count];
    for (std::size_t v = 0; v < count; ++v)
      x[v] = hn::LoadU(d32(), memory + v * step);
    for (std::size_t i = whole; i > 0;) {
      i -= lanes;
      for (std::size_t v = count; v-- > 0;) {
        const auto entry = hn::LoadU(d32(), entries + i + v * step);
        const auto slots = hn::And(entry, hn::Set(d32(), slots_mask));
        end = spill(x[v], slots, end);
        x[v] = push(x[v], slots, hn::ShiftRight<12>(entry));
      }
    }
    for (std::size_t v = 0; v < count; ++v)
      hn::StoreU(x[v], d32(), memory + v * step);
    return end;
  }

  // Shifts a word into the states that are too small.
  static HWY_INLINE const std::uint16_t* refill(states& x,
                                                const std::uint16_t* words) {
    const auto small =
        hn::Lt(hn::BitCast(di32(), x),
               hn::Set(di32(), static_cast<std::int32_t>(rans_state_first)));
    const auto mask = hn::RebindMask(d32(), small);
    const unsigned bits = bits_of(mask);
    const auto packed = hn::PromoteTo(d32(), hn::LoadU(d16(), words));
    const auto word = reorder(packed, orders.spread[bits].data());
    x = hn::IfThenElse(mask, hn::Or(hn::ShiftLeft<16>(x), word), x);
    return words + std::popcount(bits);
  }

  template <bool OneTable>
  static const std::uint16_t* decode(const std::uint32_t* table,
                                     const std::uint16_t* tables,
                                     std::size_t count_of_symbols,
                                     std::uint32_t* memory,
                                     const std::uint16_t* words,
                                     std::uint8_t* symbols) {
    const std::size_t whole = count_of_symbols - count_of_symbols % lanes;
    states x[count];
    for (std::size_t v = 0; v < count; ++v)
      x[v] = hn::LoadU(d32(), memory + v * step);
    for (std::size_t i = 0; i < whole; i += lanes)
      for (std::size_t v = 0; v < count; ++v) {
        auto slot = hn::And(x[v], hn::Set(d32(), probability_slots - 1));
        if constexpr (!OneTable)
          slot = hn::Or(slot,
                        hn::ShiftLeft<probability_bits>(hn::PromoteTo(
                            d32(), hn::LoadU(d16(), tables + i + v * step))));
        const auto entry = look_up(d32(), table, hn::BitCast(di32(), slot));
        const auto mask = hn::Set(d32(), slots_mask);
        const auto slots = hn::And(hn::ShiftRight<12>(entry), mask);
        x[v] = hn::Add(hn::Mul(slots, hn::ShiftRight<probability_bits>(x[v])),
                       hn::And(entry, mask));
        hn::StoreU(
            hn::DemoteTo(d8(), hn::BitCast(di32(), hn::ShiftRight<24>(entry))),
            d8(), symbols + i + v * step);
        words = refill(x[v], words);
      }
    for (std::size_t v = 0; v < count; ++v)
      hn::StoreU(x[v], d32(), memory + v * step);
    for (std::size_t i = whole; i < count_of_symbols; ++i)
      symbols[i] = decode_one(
          OneTable ? table : table + std::size_t{tables[i]} * probability_slots,
          memory[i - whole], words);
    return words;
  }
};

#endif  // HWY_TARGET == HWY_SCALAR

// Four coders are too few to hide a vector's latency: plain registers do more.
struct few_coders {
  static constexpr std::size_t lanes = 4;

  static std::uint16_t* encode(const std::uint32_t* entries, std::size_t count,
                               std::uint32_t* states, std::uint16_t* end) {
    std::size_t i = count;
    for (; i % lanes != 0; --i)
      end = encode_one(entries[i - 1], states[(i - 1) % lanes], end);
    std::uint32_t x[lanes] = {states[0], states[1], states[2], states[3]};
    for (; i > 0; i -= lanes) {
      end = encode_one(entries[i - 1], x[3], end);
      end = encode_one(entries[i - 2], x[2], end);
      end = encode_one(entries[i - 3], x[1], end);
      end = encode_one(entries[i - 4], x[0], end);
    }
    std::copy_n(x, lanes, states);
    return end;
  }

  template <bool OneTable>
  static const std::uint16_t* decode(const std::uint32_t* table,
                                     const std::uint16_t* tables,
                                     std::size_t count, std::uint32_t* states,
                                     const std::uint16_t* words,
                                     std::uint8_t* symbols) {
    const auto of = [&](std::size_t i) {
      return OneTable ? table
                      : table + std::size_t{tables[i]} * probability_slots;
    };
    std::uint32_t x[lanes] = {states[0], states[1], states[2], states[3]};
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
      symbols[i] = decode_one(of(i), x[0], words);
      symbols[i + 1] = decode_one(of(i + 1), x[1], words);
      symbols[i + 2] = decode_one(of(i + 2), x[2], words);
      symbols[i + 3] = decode_one(of(i + 3), x[3], words);
    }
    std::copy_n(x, lanes, states);
    for (; i < count; ++i)
      symbols[i] = decode_one(of(i), states[i % lanes], words);
    return words;
  }
};

template <class Coder>
const std::uint16_t* decode_any(const std::uint32_t* decode,
                                const std::uint16_t* tables, std::size_t count,
                                std::uint32_t* states,
                                const std::uint16_t* words,
                                std::uint8_t* symbols) {
  return tables == nullptr ? Coder::template decode<true>(
                                 decode, tables, count, states, words, symbols)
                           : Coder::template decode<false>(
                                 decode, tables, count, states, words, symbols);
}

std::uint16_t* encode_symbols(const std::uint32_t* entries, std::size_t count,
                              std::size_t lanes, std::uint32_t* states,
                              std::uint16_t* end) {
  switch (lanes) {
    case 4:
      return few_coders::encode(entries, count, states, end);
    default:
      return many_coders::encode(entries, count, states, end);
  }
}

const std::uint16_t* decode_symbols(const std::uint32_t* decode,
                                    const std::uint16_t* tables,
                                    std::size_t count, std::size_t lanes,
                                    std::uint32_t* states,
                                    const std::uint16_t* words,
                                    std::uint8_t* symbols) {
  switch (lanes) {
    case 4:
      return decode_any<few_coders>(decode, tables, count, states, words,
                                    symbols);
    default:
      return decode_any<many_coders>(decode, tables, count, states, words,
                                     symbols);
  }
}

}  // namespace lamina::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace lamina {
namespace {

HWY_EXPORT(encode_symbols);
HWY_EXPORT(decode_symbols);

}  // namespace

std::uint16_t* rans_encode(const std::uint32_t* entries, std::size_t count,
                           std::size_t lanes, std::uint32_t* states,
                           std::uint16_t* end) {
  return HWY_DYNAMIC_DISPATCH(encode_symbols)(entries, count, lanes, states,
                                              end);
}

const std::uint16_t* rans_decode(const std::uint32_t* decode,
                                 const std::uint16_t* tables, std::size_t count,
                                 std::size_t lanes, std::uint32_t* states,
                                 const std::uint16_t* words,
                                 std::uint8_t* symbols) {
  return HWY_DYNAMIC_DISPATCH(decode_symbols)(decode, tables, count, lanes,
                                              states, words, symbols);
}

}  // namespace lamina
#endif  // HWY_ONCE

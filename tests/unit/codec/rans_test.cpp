#include "actors/codec/rans.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "actors/codec/symbol_tables.hpp"
#include "tests/unit/codec/targets.hpp"

namespace lamina {
namespace {

using coder_states = std::array<std::uint32_t, rans_lanes_max>;

/// Symbols that some table has, with their entries.
struct sequence {
  std::vector<std::uint16_t> tables;
  std::vector<std::uint8_t> symbols;
  std::vector<std::uint32_t> entries;
};

sequence random_sequence(std::size_t count, bool one_table) {
  const symbol_tables& set =
      one_table ? residual_symbols() : magnitude_symbols();
  const std::size_t tables = set.encode.size() / set.stride;
  std::mt19937 random(static_cast<unsigned>(count));
  sequence s;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t table = one_table ? 0 : random() % tables;
    const std::uint32_t slot =
        set.decode[table * probability_slots + random() % probability_slots];
    s.tables.push_back(static_cast<std::uint16_t>(table));
    s.symbols.push_back(static_cast<std::uint8_t>(slot >> 24));
    s.entries.push_back(set.encode[table * set.stride + (slot >> 24)]);
  }
  return s;
}

struct encoded {
  coder_states states;
  std::vector<std::uint16_t> words;
};

encoded encode_all(const sequence& s, std::size_t lanes) {
  encoded e;
  e.states.fill(rans_state_first);
  std::vector<std::uint16_t> room(s.entries.size() + rans_slack_words);
  const auto* first = rans_encode(s.entries.data(), s.entries.size(), lanes,
                                  e.states.data(), room.data() + room.size());
  e.words.assign(first,
                 static_cast<const std::uint16_t*>(room.data()) + room.size());
  return e;
}

void expect_round_trip(std::size_t count, std::size_t lanes, bool one_table) {
  const sequence s = random_sequence(count, one_table);
  encoded e = encode_all(s, lanes);
  const std::size_t words = e.words.size();
  e.words.resize(words + rans_slack_words);
  std::vector<std::uint8_t> symbols(count);
  const symbol_tables& set =
      one_table ? residual_symbols() : magnitude_symbols();
  const auto* end = rans_decode(
      set.decode.data(), one_table ? nullptr : s.tables.data(), count, lanes,
      e.states.data(), e.words.data(), symbols.data());
  EXPECT_EQ(symbols, s.symbols);
  EXPECT_EQ(end, e.words.data() + words);
  for (std::size_t lane = 0; lane < lanes; ++lane)
    EXPECT_EQ(e.states[lane], rans_state_first) << "lane " << lane;
}

TEST(Rans, SymbolsComeBackAndCodersEndWhereTheyBegan) {
  on_every_target([](const char* target) {
    SCOPED_TRACE(target);
    for (const std::size_t lanes : {std::size_t{4}, rans_lanes_max})
      for (const std::size_t count : {1, 3, 4, 31, 32, 33, 200, 5000})
        for (const bool one_table : {false, true})
          expect_round_trip(count, lanes, one_table);
  });
}

TEST(Rans, EveryTargetWritesTheSameWords) {
  for (const std::size_t lanes : {std::size_t{4}, rans_lanes_max}) {
    const sequence s = random_sequence(3001, false);
    const encoded expected = encode_all(s, lanes);
    on_every_target([&](const char* target) {
      SCOPED_TRACE(target);
      const encoded e = encode_all(s, lanes);
      EXPECT_EQ(e.words, expected.words);
      EXPECT_EQ(e.states, expected.states);
    });
  }
}

TEST(Rans, CostsLittleMoreThanProbabilitiesSay) {
  const symbol_tables& set = residual_symbols();
  const std::size_t table = 16;  // a scale of one step
  std::mt19937 random(9);
  sequence s;
  double bits = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint32_t slot =
        set.decode[table * probability_slots + random() % probability_slots];
    s.entries.push_back(set.encode[table * set.stride + (slot >> 24)]);
    bits += 11 - std::log2(static_cast<double>(s.entries.back() & 0xfff));
  }
  const double words =
      static_cast<double>(encode_all(s, rans_lanes_max).words.size());
  EXPECT_LT(16 * words, bits * 1.005);
}

}  // namespace
}  // namespace lamina

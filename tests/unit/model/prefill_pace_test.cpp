// How much a step prefills: on a machine that is a formula.
#include "actors/model/prefill_pace.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

/// A step costs `step` seconds and `row` more for each row.
struct machine {
  double step;
  double row;

  double seconds(std::uint32_t rows) const { return step + row * rows; }
};

/// The rows of a step once the pace has learned.
std::uint32_t settled(prefill_pace& pace, const machine& m, bool decoding) {
  std::uint32_t rows = 0;
  for (int i = 0; i < 50; ++i) {
    if (decoding) pace.took(4, 0, m.seconds(4));
    rows = pace.rows(decoding);
    pace.took(decoding ? 4 : 0, rows, m.seconds(rows + (decoding ? 4 : 0)));
  }
  return rows;
}

TEST(PrefillPace, PrefillAddsNoMoreThanItMayToAStepThatSomebodyWaitsFor) {
  prefill_pace pace({});
  const machine m{0.008, 0.0004};
  const auto rows = settled(pace, m, true);
  EXPECT_LE(m.row * rows, 0.04);
  EXPECT_GE(m.row * (rows + prefill_pace::rows_min), 0.04);
}

TEST(PrefillPace, AStepOfPrefillsAloneIsLongerAndBoundedToo) {
  prefill_pace fast({});
  EXPECT_EQ(settled(fast, {0.008, 0.0004}, false), 512u);
  prefill_pace slow({});
  const machine m{0.1, 0.005};
  const auto rows = settled(slow, m, false);
  EXPECT_LE(m.seconds(rows), 0.25);
  EXPECT_GE(m.seconds(rows + 2 * prefill_pace::rows_min), 0.25);
}

TEST(PrefillPace, BesideSlowDecodingItMayTakeAsLongAsThat) {
  prefill_pace pace({});
  const machine m{0.4, 0.005};
  const auto rows = settled(pace, m, true);
  EXPECT_LE(m.row * rows, m.seconds(4));
  EXPECT_GT(m.row * rows, m.seconds(4) / 2);
}

TEST(PrefillPace, HoweverSlowTheMachineSomethingIsPrefilled) {
  prefill_pace pace({});
  EXPECT_EQ(settled(pace, {0.008, 1.0}, true), prefill_pace::rows_min);
}

TEST(PrefillPace, BeforeAnythingIsKnownItIsCautious) {
  const prefill_pace pace({});
  EXPECT_EQ(pace.rows(true), 32u);
  EXPECT_EQ(pace.rows(false), 128u);
}

TEST(PrefillPace, TheLimitHoldsEvenBelowATile) {
  prefill_pace pace({.rows_max = 5});
  EXPECT_EQ(pace.rows(false), 5u);
  EXPECT_EQ(settled(pace, {0.001, 0.0001}, true), 5u);
}

}  // namespace
}  // namespace lamina

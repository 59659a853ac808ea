#include "actors/codec/symbol_tables.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

// Compiled without contraction (CMakeLists.txt): a fused multiply-add rounds
// differently, and then two machines would not read each other's bytes.
namespace lamina {
namespace {

// Distribution function of Student's t with 10 degrees of freedom. Source:
// Abramowitz and Stegun, 26.7.4, even degrees of freedom.
double student(double t) {
  constexpr double degrees = 10;
  const double cos2 = degrees / (degrees + t * t);
  const double sine = t / std::sqrt(degrees + t * t);
  double term = 1;
  double sum = 1;
  for (int j = 1; j < 5; ++j) {
    term = term * cos2 * (2 * j - 1) / (2 * j);
    sum = sum + term;
  }
  return 0.5 + 0.5 * sine * sum;
}

// 2^(quarters / 4)
double quarter_octaves(int quarters) {
  constexpr double fraction[] = {1, 1.189207115002721, 1.4142135623730951,
                                 1.681792830507429};
  return std::ldexp(fraction[quarters & 3], quarters >> 2);
}

// A probability below this share of a slot is left to the escape.
constexpr double slot_share_min = 0.2;

// Turns probabilities into slots and appends the table.
void append_table(symbol_tables& tables, std::vector<double> probability) {
  probability.resize(tables.stride);
  probability[tables.escape] = 0;
  std::vector<std::uint32_t> slots(tables.stride);
  double rest = 1;
  std::uint32_t used = 0;
  for (std::uint32_t s = 0; s < tables.stride; ++s) {
    const double share = probability[s] * probability_slots;
    if (share < slot_share_min) continue;
    slots[s] = std::max(1u, static_cast<std::uint32_t>(share + 0.5));
    used += slots[s];
    rest = rest - probability[s];
  }
  slots[tables.escape] =
      std::max(1u, static_cast<std::uint32_t>(
                       std::max(0.0, rest) * probability_slots + 0.5));
  used += slots[tables.escape];
  // Rounding left a few too many or too few: the commonest symbol pays.
  auto commonest = std::ranges::max_element(slots);
  *commonest += probability_slots - used;

  std::uint32_t first = 0;
  for (std::uint32_t s = 0; s < tables.stride; ++s) {
    tables.encode.push_back(first << 12 | slots[s]);
    for (std::uint32_t i = 0; i < slots[s]; ++i)
      tables.decode.push_back(s << 24 | slots[s] << 12 | i);
    first += slots[s];
  }
}

symbol_tables make_residual_symbols() {
  symbol_tables tables{64, 0, {}, {}};
  for (std::uint32_t t = 0; t < residual_tables; ++t) {
    const double scale = quarter_octaves(static_cast<int>(t) - 16);
    std::vector<double> probability(64);
    for (int m = -31; m <= 31; ++m)
      probability[static_cast<std::size_t>(m + residual_zero)] =
          student((m + 0.5) / scale) - student((m - 0.5) / scale);
    append_table(tables, std::move(probability));
  }
  return tables;
}

// Where the values of a magnitude index begin.
double magnitude_at(std::int32_t index) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(index) << 21);
}
double middle_of(std::int32_t index) {
  return (magnitude_at(index) + magnitude_at(index + 1)) / 2;
}

symbol_tables make_magnitude_symbols() {
  symbol_tables tables{256, 2 * magnitudes, {}, {}};
  for (std::int32_t residue = 0; residue < 4; ++residue) {
    const std::int32_t reference = 127 * 4 + residue;
    const double deviation = middle_of(reference);
    for (std::int32_t c = 0; c < contexts; ++c) {
      const double expected =
          c == 0 ? 0 : middle_of(reference + context_first + c);
      std::vector<double> probability(2 * magnitudes);
      for (std::int32_t i = 0; i < magnitudes; ++i) {
        const double low = magnitude_at(reference + magnitude_first + i);
        const double high = magnitude_at(reference + magnitude_first + i + 1);
        const auto at = static_cast<std::size_t>(i);
        probability[at] = student((high - expected) / deviation) -
                          student((low - expected) / deviation);
        probability[at + magnitudes] = student((high + expected) / deviation) -
                                       student((low + expected) / deviation);
      }
      append_table(tables, std::move(probability));
    }
  }
  return tables;
}

// [scale]: the mean magnitude up to which it is the nearest.
std::vector<float> make_scale_limits() {
  std::vector<float> mean(residual_scales);
  const symbol_tables& tables = residual_symbols();
  for (std::uint32_t i = 0; i < residual_scales; ++i) {
    const auto [table, low_bits] = scale_of(i);
    double sum = 0;
    for (int m = -31; m <= 31; ++m) {
      const std::uint32_t entry =
          tables.encode[table * tables.stride +
                        static_cast<std::uint32_t>(m + residual_zero)];
      sum += std::abs(m) * static_cast<double>(entry & 0xfffu);
    }
    mean[i] = static_cast<float>(
        std::ldexp(sum / probability_slots, static_cast<int>(low_bits)));
  }
  std::vector<float> limits;
  for (std::uint32_t i = 0; i + 1 < residual_scales; ++i)
    limits.push_back(std::sqrt(mean[i] * mean[i + 1]));
  return limits;
}

}  // namespace

const symbol_tables& residual_symbols() {
  static const symbol_tables tables = make_residual_symbols();
  return tables;
}

const symbol_tables& magnitude_symbols() {
  static const symbol_tables tables = make_magnitude_symbols();
  return tables;
}

std::uint32_t scale_for(float mean_magnitude) {
  static const std::vector<float> limits = make_scale_limits();
  const auto above = std::ranges::lower_bound(limits, mean_magnitude);
  return static_cast<std::uint32_t>(above - limits.begin());
}

}  // namespace lamina

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "actors/codec/bit_planes.hpp"
#include "actors/codec/magnitudes.hpp"
#include "actors/codec/rans.hpp"
#include "actors/codec/residuals.hpp"
#include "actors/codec/row_codec.hpp"
#include "actors/codec/row_layout.hpp"
#include "actors/codec/row_numbers.hpp"
#include "actors/codec/row_workspace.hpp"
#include "actors/codec/symbol_tables.hpp"

namespace lamina {
namespace {

// Added to declared errors, which are sums in float32.
constexpr float error_slack = 1.0005f;

void put(std::vector<std::byte>& out, std::uint32_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i)
    out.push_back(static_cast<std::byte>(number >> (8 * i)));
}

// Seven bits a byte, the lowest first; small magnitudes are short.
void put_escaped(std::vector<std::byte>& out, std::int32_t q) {
  auto number =
      static_cast<std::uint32_t>(q) << 1 ^ static_cast<std::uint32_t>(q >> 31);
  for (; number >= 128; number >>= 7)
    out.push_back(static_cast<std::byte>(number | 128));
  out.push_back(static_cast<std::byte>(number));
}

std::uint32_t gain_code(const row_sums& sums) {
  const float gain = sums.products / sums.previous_squares;
  if (!std::isfinite(gain)) return 0;
  return static_cast<std::uint32_t>(
      std::clamp(std::nearbyint(gain / gain_unit), 0.0f,
                 static_cast<float>(gain_codes - 1)));
}

// What an encoder of one row group knows of the layer below.
struct layer_below {
  const float* row = nullptr;
  float limit = 0;  // its channels up to this are ordinary
};

void append_planes(row_workspace& w, std::uint32_t bits) {
  const std::size_t at = w.planes.size();
  w.planes.resize(at + bits * plane_bytes(w.low.size()));
  pack_planes(w.low, bits, w.planes.data() + at);
}

// --- lossy -----------------------------------------------------------------

// How a quality quantises. Rounding below one half makes zeros more common;
// what that saves in bits is worth more than the error it adds, which `stretch`
// stands for (docs/codecs.md has the measurements).
struct quantiser {
  float rounding;
  float stretch;
};
quantiser quantiser_of(quality q) {
  switch (q) {
    case quality::balanced:
      return {0.455f, 1.012f};
    case quality::small:
      return {0.42f, 1.033f};
    default:
      return {0.5f, 1.0f};
  }
}

// Error that rounding the decoded numbers to their dtype adds, relative to the
// row's root mean square; a trained model's rows, measured.
float rounding_error(dtype element) {
  return element == dtype::bfloat16  ? 0.0016f
         : element == dtype::float16 ? 0.0002f
                                     : 0.0f;
}

// Magnitude of a row, all of it and the ordinary channels alone.
struct row_size {
  float squares;
  float ordinary_squares;
  float limit;  // |x| up to which a channel is ordinary
  float rms;
  float ordinary_rms;
};

row_size size_of_row(std::span<const float> x, const row_sums& sums) {
  const auto width = static_cast<float>(x.size());
  row_size size{};
  size.squares = sums.squares;
  size.limit = ordinary_factor * sums.magnitudes / width;
  const limited_squares below = sum_squares_below(x, size.limit);
  size.ordinary_squares = below.squares;
  size.rms = std::sqrt(sums.squares / width);
  size.ordinary_rms = std::sqrt(below.squares / std::max(1.0f, below.count));
  return size;
}

row_errors relative(const error_sums& e, const row_size& size) {
  row_errors errors;
  errors.row = std::sqrt((e.ordinary + e.largest) / size.squares) * error_slack;
  errors.ordinary = std::sqrt(e.ordinary / size.ordinary_squares) * error_slack;
  const float rest = size.squares - size.ordinary_squares;
  if (e.largest > 0 && rest > 0)
    errors.largest = std::sqrt(e.largest / rest) * error_slack;
  return errors;
}

// The nearest code of a step; step_codes or more if there is none.
std::uint32_t code_of(float step) {
  const auto bits = std::bit_cast<std::uint32_t>(step);
  const std::uint32_t rounded = (bits + (1u << (step_shift - 1))) >> step_shift;
  return rounded < step_first ? step_codes : rounded - step_first;
}

// The step that the bounds allow if errors are spread evenly.
std::uint32_t step_code(const row_size& size, quality kept, dtype element) {
  const error_bounds bounds = bounds_of(kept);
  const float target =
      std::min(bounds.row * size.rms, bounds.ordinary * size.ordinary_rms);
  const float noise = rounding_error(element) * size.rms;
  const float share =
      std::sqrt(std::max(target * target - noise * noise, target * target / 4));
  return code_of(std::sqrt(12.0f) * share / quantiser_of(kept).stretch);
}

// Quantises with the largest step near `code` that keeps the bounds; false if
// none does. Leaves residuals and the decoded row in the workspace.
bool quantise_within(row_workspace& w, std::span<const float> centred,
                     const layer_below& below, std::span<const float> mean,
                     const row_size& size, quality kept, dtype element,
                     std::uint32_t& code, float gain, float& magnitudes,
                     row_errors& errors, float* decoded) {
  const error_bounds bounds = bounds_of(kept);
  constexpr std::uint32_t tries = 24;
  for (std::uint32_t i = 0; i < tries && code < step_codes; ++i) {
    magnitudes =
        quantise(centred, below.row, {step_of(code), gain},
                 quantiser_of(kept).rounding, w.residuals.data(), decoded);
    const float* restored = decoded;
    if (!mean.empty()) {
      add_mean({decoded, mean.size()}, mean, w.restored.data());
      restored = w.restored.data();
    }
    errors =
        relative(sum_errors(w.current, restored, element, size.limit), size);
    if (errors.row <= bounds.row && errors.ordinary <= bounds.ordinary)
      return true;
    const float excess =
        std::max(errors.row / bounds.row, errors.ordinary / bounds.ordinary);
    code = std::min(code - 1, code_of(step_of(code) / excess));
  }
  return false;
}

// Codes what `quantise_within` left.
void append_residuals(row_workspace& w, std::uint32_t code, std::uint32_t gain,
                      float magnitudes, std::size_t layer) {
  const std::size_t width = w.current.size();
  const std::uint32_t scale = scale_for(magnitudes / static_cast<float>(width));
  put(w.head, code | gain << 12 | scale << 18, lossy_header_bytes);
  const auto [table, low_bits] = scale_of(scale);
  const symbol_tables& symbols = residual_symbols();
  const std::uint32_t* encode = symbols.encode.data() + table * symbols.stride;
  std::uint32_t* entries = w.entries.data() + layer * width;
  std::size_t escapes =
      split_residuals(w.residuals, low_bits, encode, entries, w.low.data());
  for (std::size_t i = 0; escapes > 0; ++i)
    if (entries[i] == encode[symbols.escape]) {
      put_escaped(w.escapes, w.residuals[i]);
      --escapes;
    }
  if (low_bits != 0) append_planes(w, low_bits);
}

// False when a row of this size has no relative error to speak of.
bool has_size(const row_size& size) {
  constexpr float least = 0x1p-50f;
  constexpr float most = 0x1p50f;
  return size.ordinary_rms >= least && size.rms <= most;
}

// A layer that is all zeros stays exact, whatever lies below.
void add_zero_layer(row_workspace& w, std::size_t layer) {
  std::ranges::fill(w.residuals, 0);
  std::ranges::fill(w.decoded[layer % 2], 0.0f);
  append_residuals(w, step_codes / 2, 0, 0, layer);
}

// Takes the layer from w.current; `mean` may be empty.
bool add_lossy_layer(row_workspace& w, layer_below& below,
                     std::span<const float> mean, quality kept, dtype element,
                     std::size_t layer, row_errors& errors) {
  std::span<const float> centred = w.current;
  if (!mean.empty()) {
    subtract_mean(w.current, mean, w.centred.data());
    centred = w.centred;
  }
  const row_sums sums = sum_row(centred, below.row, below.limit);
  if (!sums.finite) return false;
  const row_size size = size_of_row(
      w.current, mean.empty() ? sums : sum_row(w.current, nullptr, 0));
  float* decoded = w.decoded[layer % 2].data();
  if (sums.magnitudes == 0 && mean.empty()) {
    add_zero_layer(w, layer);
  } else {
    if (!has_size(size)) return false;
    const std::uint32_t gain = gain_code(sums);
    std::uint32_t code = step_code(size, kept, element);
    float magnitudes = 0;
    row_errors of_layer;
    if (!quantise_within(w, centred, below, mean, size, kept, element, code,
                         static_cast<float>(gain) * gain_unit, magnitudes,
                         of_layer, decoded))
      return false;
    append_residuals(w, code, gain, magnitudes, layer);
    errors.include(of_layer);
  }
  below = {decoded, ordinary_factor * sums.magnitudes /
                        static_cast<float>(centred.size())};
  return true;
}

// --- lossless --------------------------------------------------------------

// Mean magnitude to deviation, a little less than a normal distribution's
// 1.25: residuals have heavier tails (docs/codecs.md).
constexpr float deviation_factor = 1.17f;

std::uint32_t reference_of(float deviation) {
  const std::uint32_t index = std::bit_cast<std::uint32_t>(deviation) >> 21;
  return std::clamp(index, reference_first, 1023u);
}

void append_lowest(std::vector<std::byte>& out, std::span<const float> x) {
  for (const float number : x)
    put(out, std::bit_cast<std::uint32_t>(number) & 0xffffu, 2);
}

void add_lossless_layer(row_workspace& w, layer_below& below, dtype element,
                        std::size_t layer) {
  const std::size_t width = w.current.size();
  const row_sums sums = sum_row(w.current, below.row, below.limit);
  const std::uint32_t gain = below.row == nullptr ? 0 : gain_code(sums);
  const auto [low_shift, low_bits] = low_layout_of(element);
  magnitude_step s{0, static_cast<float>(gain) * gain_unit, low_shift,
                   low_bits};
  const float mean =
      sum_residual(w.current, below.row, s.gain) / static_cast<float>(width);
  s.reference = reference_of(mean * deviation_factor);
  put(w.head, s.reference | gain << 10, lossless_header_bytes);

  const symbol_tables& symbols = magnitude_symbols();
  std::uint32_t* entries = w.entries.data() + layer * width;
  choose_tables(below.row, width, s, w.tables.data());
  std::size_t escapes =
      split_magnitudes(w.current, below.row, s, w.tables.data(),
                       symbols.encode.data(), entries, w.low.data());
  for (std::size_t i = 0; escapes > 0; ++i)
    if (entries[i] ==
        symbols.encode[w.tables[i] * symbols.stride + symbols.escape]) {
      put(w.escapes, std::bit_cast<std::uint32_t>(w.current[i]) >> 21, 2);
      --escapes;
    }
  append_planes(w, low_bits);
  if (element == dtype::float32) append_lowest(w.planes, w.current);

  std::swap(w.current, w.decoded[layer % 2]);
  below = {w.decoded[layer % 2].data(),
           ordinary_factor * sums.magnitudes / static_cast<float>(width)};
}

// --- a stream --------------------------------------------------------------

void start(row_workspace& w, std::size_t layers, std::size_t width) {
  w.fit(width);
  w.entries.resize(layers * width);
  w.head.clear();
  w.planes.clear();
  w.escapes.clear();
}

// Entropy codes the entries of all layers and puts the parts together.
void append_stream(row_workspace& w, std::size_t layers, std::size_t width,
                   row_mode mode, std::vector<std::byte>& out) {
  const std::size_t lanes = rans_lanes(width);
  w.words.resize(layers * width + rans_slack_words);
  std::fill_n(w.states.begin(), lanes, rans_state_first);
  std::uint16_t* const end = w.words.data() + w.words.size();
  std::uint16_t* first = end;
  for (std::size_t layer = layers; layer-- > 0;)
    first = rans_encode(w.entries.data() + layer * width, width, lanes,
                        w.states.data(), first);
  const auto append = [&out](std::span<const std::byte> part) {
    out.insert(out.end(), part.begin(), part.end());
  };
  out.push_back(static_cast<std::byte>(mode));
  append(w.head);
  append(w.planes);
  append(std::as_bytes(std::span(w.states).first(lanes)));
  append(std::as_bytes(std::span(first, end)));
  out.insert(out.end(), w.escapes.rbegin(), w.escapes.rend());
}

bool append_lossy(std::span<const std::byte* const> layers, std::size_t width,
                  dtype element, quality kept, layer_means means,
                  row_errors& errors, std::vector<std::byte>& out) {
  row_workspace& w = row_workspace::of_this_thread();
  start(w, layers.size(), width);
  layer_below below;
  row_errors of_rows;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    widen_exact(layers[layer], element, w.current);
    const auto mean = means.empty() ? std::span<const float>() : means[layer];
    if (!add_lossy_layer(w, below, mean, kept, element, layer, of_rows))
      return false;
  }
  append_stream(w, layers.size(), width, row_mode::lossy, out);
  errors.include(of_rows);
  return true;
}

void append_lossless(std::span<const std::byte* const> layers,
                     std::size_t width, dtype element,
                     std::vector<std::byte>& out) {
  row_workspace& w = row_workspace::of_this_thread();
  start(w, layers.size(), width);
  layer_below below;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    widen_exact(layers[layer], element, w.current);
    add_lossless_layer(w, below, element, layer);
  }
  append_stream(w, layers.size(), width, row_mode::lossless, out);
}

void append_raw(std::span<const std::byte* const> layers, std::size_t row_bytes,
                std::vector<std::byte>& out) {
  out.push_back(static_cast<std::byte>(row_mode::raw));
  for (const std::byte* row : layers)
    out.insert(out.end(), row, row + row_bytes);
}

}  // namespace

void row_errors::include(const row_errors& other) {
  row = std::max(row, other.row);
  ordinary = std::max(ordinary, other.ordinary);
  largest = std::max(largest, other.largest);
}

void append_rows(std::span<const std::byte* const> layers, std::size_t width,
                 dtype element, quality kept, layer_means means,
                 row_errors& errors, std::vector<std::byte>& out) {
  const std::size_t row_bytes = width * size_of(element);
  if (kept == quality::raw) return append_raw(layers, row_bytes, out);
  const std::size_t begin = out.size();
  row_errors of_rows;
  if (!is_lossy(kept) ||
      !append_lossy(layers, width, element, kept, means, of_rows, out))
    append_lossless(layers, width, element, out);
  if (out.size() - begin < 1 + layers.size() * row_bytes)
    return errors.include(of_rows);
  out.resize(begin);
  append_raw(layers, row_bytes, out);
}

}  // namespace lamina

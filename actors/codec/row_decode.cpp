#include <algorithm>
#include <bit>
#include <cstring>

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

error corrupt(const char* what) {
  return {error_code::corrupt, std::string("row: ") + what};
}

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t at,
                        unsigned size) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, size);
  return number;
}

struct lossy_layer {
  lossy_step step;
  residual_scale scale;
};

result<lossy_layer> lossy_layer_at(std::span<const std::byte> head,
                                   std::size_t layer) {
  const std::uint32_t code =
      number_at(head, layer * lossy_header_bytes, lossy_header_bytes);
  const std::uint32_t scale = code >> 18;
  if (scale >= residual_scales) return corrupt("unknown scale");
  return lossy_layer{{step_of(code & (step_codes - 1)),
                      static_cast<float>(code >> 12 & 63u) * gain_unit},
                     scale_of(scale)};
}

magnitude_step lossless_layer_at(std::span<const std::byte> head,
                                 std::size_t layer, dtype element) {
  const std::uint32_t code =
      number_at(head, layer * lossless_header_bytes, lossless_header_bytes);
  const auto [shift, bits] = low_layout_of(element);
  return {code & 1023u, static_cast<float>(code >> 10) * gain_unit, shift,
          bits};
}

// The coded part of a stream: words forwards, escapes backwards. Words lie in a
// copy with room to overrun by a layer, after which `sound` says so.
class symbol_source {
 public:
  symbol_source(std::span<const std::byte> coded, std::size_t width,
                row_workspace& w)
      : coded_(coded),
        lanes_(rans_lanes(width)),
        escapes_left_(coded.size()),
        w_(w) {
    const std::size_t state_bytes = lanes_ * sizeof(std::uint32_t);
    std::memcpy(w.states.data(), coded.data(), state_bytes);
    escapes_left_ -= state_bytes;
    const std::size_t available = escapes_left_ / 2;
    w.words.resize(available + width + rans_slack_words);
    std::memcpy(w.words.data(), coded.data() + state_bytes, 2 * available);
    std::fill(w.words.begin() + static_cast<long>(available), w.words.end(),
              std::uint16_t{0});
    next_ = w.words.data();
  }

  static std::size_t bytes_min(std::size_t width) {
    return rans_lanes(width) * sizeof(std::uint32_t);
  }

  void read(const std::uint32_t* decode, const std::uint16_t* tables) {
    next_ = rans_decode(decode, tables, w_.symbols.size(), lanes_,
                        w_.states.data(), next_, w_.symbols.data());
  }

  // Calls put(channel) for each escape among the symbols.
  template <class Put>
  void for_escapes(std::uint32_t escape, Put put) const {
    const std::uint8_t* const begin = w_.symbols.data();
    const std::uint8_t* const end = begin + w_.symbols.size();
    const std::uint8_t* at = begin;
    while ((at = static_cast<const std::uint8_t*>(
                std::memchr(at, static_cast<int>(escape),
                            static_cast<std::size_t>(end - at)))) != nullptr) {
      put(static_cast<std::size_t>(at - begin));
      if (++at == end) break;
    }
  }

  // The next byte of the escapes; zero when there are none left.
  std::uint32_t next_escape_byte() {
    if (escapes_left_ == 0) {
      overrun_ = true;
      return 0;
    }
    --escapes_left_;
    return std::to_integer<std::uint32_t>(
        coded_[bytes_min(w_.symbols.size()) + escapes_left_]);
  }

  std::int32_t next_escaped() {
    std::uint32_t number = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      const std::uint32_t byte = next_escape_byte();
      number |= (byte & 127u) << shift;
      if (byte < 128) break;
    }
    return static_cast<std::int32_t>(number >> 1 ^ (0u - (number & 1u)));
  }

  // Nothing was read that is not there.
  bool sound() const { return !overrun_ && words_bytes() <= escapes_left_; }

  // Nothing is left, and the coders are where they began.
  bool complete() const {
    return sound() && words_bytes() == escapes_left_ &&
           std::all_of(w_.states.begin(),
                       w_.states.begin() + static_cast<long>(lanes_),
                       [](std::uint32_t s) { return s == rans_state_first; });
  }

 private:
  std::size_t words_bytes() const {
    return 2 * static_cast<std::size_t>(next_ - w_.words.data());
  }

  std::span<const std::byte> coded_;
  std::size_t lanes_;
  std::size_t escapes_left_;  // bytes behind the states not taken from the end
  row_workspace& w_;
  const std::uint16_t* next_ = nullptr;
  bool overrun_ = false;
};

// Splits a stream without its mode byte: headers, low bits, coded part.
struct stream_parts {
  std::span<const std::byte> head;
  std::span<const std::byte> low;
  std::span<const std::byte> coded;
};

result<stream_parts> split(std::span<const std::byte> body,
                           std::size_t head_bytes, std::size_t low_bytes,
                           std::size_t width) {
  if (body.size() < head_bytes + low_bytes + symbol_source::bytes_min(width))
    return corrupt("shorter than its parts");
  return stream_parts{body.first(head_bytes),
                      body.subspan(head_bytes, low_bytes),
                      body.subspan(head_bytes + low_bytes)};
}

// What to say of a stream that has been read up to some layer.
result<void> verdict(const symbol_source& source, bool whole) {
  if (!source.sound()) return corrupt("ends before its rows do");
  if (whole && !source.complete()) return corrupt("does not end with its rows");
  return success();
}

result<void> decode_lossy(std::span<const std::byte> body,
                          std::size_t layer_count, std::size_t width,
                          dtype element, layer_means means,
                          std::span<std::byte* const> outputs) {
  const std::size_t head_bytes = layer_count * lossy_header_bytes;
  if (body.size() < head_bytes) return corrupt("shorter than its headers");
  std::size_t low_bytes = 0;
  for (std::size_t layer = 0; layer < layer_count; ++layer) {
    BOOST_OUTCOME_TRY(of_layer, lossy_layer_at(body, layer));
    low_bytes += of_layer.scale.low_bits * plane_bytes(width);
  }
  BOOST_OUTCOME_TRY(parts, split(body, head_bytes, low_bytes, width));

  row_workspace& w = row_workspace::of_this_thread();
  w.fit(width);
  symbol_source source(parts.coded, width, w);
  const symbol_tables& symbols = residual_symbols();
  const std::byte* low = parts.low.data();
  const float* below = nullptr;
  for (std::size_t layer = 0; layer < outputs.size(); ++layer) {
    BOOST_OUTCOME_TRY(of_layer, lossy_layer_at(parts.head, layer));
    const auto [table, low_bits] = of_layer.scale;
    source.read(symbols.decode.data() + table * probability_slots, nullptr);
    unpack_planes(low, low_bits, w.low);
    low += low_bits * plane_bytes(width);
    float* decoded = w.decoded[layer % 2].data();
    join_residuals(w.symbols, w.low.data(), low_bits, below, of_layer.step,
                   decoded);
    source.for_escapes(symbols.escape, [&](std::size_t i) {
      decoded[i] = reconstruct(below == nullptr ? 0.0f : below[i],
                               of_layer.step, source.next_escaped());
    });
    BOOST_OUTCOME_TRYV(verdict(source, false));
    below = decoded;
    if (outputs[layer] == nullptr) continue;
    if (means.empty()) {
      narrow(w.decoded[layer % 2], element, outputs[layer]);
    } else {
      add_mean(w.decoded[layer % 2], means[layer], w.current.data());
      narrow(w.current, element, outputs[layer]);
    }
  }
  return verdict(source, outputs.size() == layer_count);
}

void add_lowest(const std::byte* lowest, std::span<float> row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, lowest + 2 * i, sizeof bits);
    row[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(row[i]) | bits);
  }
}

constexpr std::uint32_t below_symbol = (1u << 21) - 1;

result<void> decode_lossless(std::span<const std::byte> body,
                             std::size_t layer_count, std::size_t width,
                             dtype element,
                             std::span<std::byte* const> outputs) {
  const std::size_t low_bytes = lossless_low_bytes(element, width);
  BOOST_OUTCOME_TRY(parts, split(body, layer_count * lossless_header_bytes,
                                 layer_count * low_bytes, width));
  row_workspace& w = row_workspace::of_this_thread();
  w.fit(width);
  symbol_source source(parts.coded, width, w);
  const symbol_tables& symbols = magnitude_symbols();
  const float* below = nullptr;
  for (std::size_t layer = 0; layer < outputs.size(); ++layer) {
    const magnitude_step s = lossless_layer_at(parts.head, layer, element);
    const std::byte* low = parts.low.data() + layer * low_bytes;
    choose_tables(below, width, s, w.tables.data());
    source.read(symbols.decode.data(), w.tables.data());
    unpack_planes(low, s.low_bits, w.low);
    std::vector<float>& decoded = w.decoded[layer % 2];
    join_magnitudes(w.symbols, w.low.data(), below, s, decoded.data());
    if (element == dtype::float32)
      add_lowest(low + plane_bytes(width) * s.low_bits, decoded);
    source.for_escapes(symbols.escape, [&](std::size_t i) {
      const std::uint32_t high = source.next_escape_byte();
      const std::uint32_t top = (source.next_escape_byte() << 8 | high) & 2047u;
      decoded[i] = std::bit_cast<float>(
          (std::bit_cast<std::uint32_t>(decoded[i]) & below_symbol) |
          top << 21);
    });
    BOOST_OUTCOME_TRYV(verdict(source, false));
    if (outputs[layer] != nullptr) narrow(decoded, element, outputs[layer]);
    below = decoded.data();
  }
  return verdict(source, outputs.size() == layer_count);
}

result<void> decode_raw(std::span<const std::byte> body,
                        std::size_t layer_count, std::size_t row_bytes,
                        std::span<std::byte* const> outputs) {
  if (body.size() != layer_count * row_bytes)
    return corrupt("raw rows of the wrong length");
  for (std::size_t layer = 0; layer < outputs.size(); ++layer)
    if (outputs[layer] != nullptr)
      std::memcpy(outputs[layer], body.data() + layer * row_bytes, row_bytes);
  return success();
}

}  // namespace

result<void> decode_rows_of(std::span<const std::byte> stream,
                            std::size_t layer_count, std::size_t width,
                            dtype element, layer_means means,
                            std::span<std::byte* const> outputs) {
  if (stream.empty()) return corrupt("empty");
  const auto body = stream.subspan(1);
  switch (static_cast<row_mode>(stream[0])) {
    case row_mode::raw:
      return decode_raw(body, layer_count, width * size_of(element), outputs);
    case row_mode::lossless:
      return decode_lossless(body, layer_count, width, element, outputs);
    case row_mode::lossy:
      return decode_lossy(body, layer_count, width, element, means, outputs);
  }
  return corrupt("unknown mode");
}

}  // namespace lamina

// What a thread keeps between rows, so that coding one allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/codec/rans.hpp"

namespace lamina {

struct row_workspace {
  std::vector<float> current;   // the row as it was, or is to be
  std::vector<float> centred;   // the same without its mean
  std::vector<float> restored;  // encoder: what the decoder will give
  std::array<std::vector<float>, 2> decoded;  // this layer's and the last one's
  std::vector<std::int32_t> residuals;
  std::vector<std::uint16_t> tables;
  std::vector<std::uint32_t> entries;  // [layer][width]
  std::vector<std::uint8_t> symbols;
  std::vector<std::uint8_t> low;
  std::vector<std::uint16_t> words;
  std::vector<std::byte> head;     // encoder: layer headers
  std::vector<std::byte> planes;   // encoder: all layers' planes
  std::vector<std::byte> escapes;  // encoder: in order, to be reversed
  std::array<std::uint32_t, rans_lanes_max> states{};

  /// Room for rows of `width`.
  void fit(std::size_t width) {
    current.resize(width);
    centred.resize(width);
    restored.resize(width);
    for (auto& d : decoded)
      d.resize(width);
    residuals.resize(width);
    tables.resize(width);
    symbols.resize(width);
    low.resize(width);
  }

  static row_workspace& of_this_thread() {
    thread_local row_workspace w;
    return w;
  }
};

}  // namespace lamina

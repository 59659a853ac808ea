// What a quality does to given rows: bits, errors, agreement of the logit lens,
// speed. The same code measures for the benchmark (tests/bench/codec_bench) and
// for a user's own conversations (`lamina bench codec`). Pure but for the
// processor clock; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "actors/codec/codec.hpp"

namespace lamina {

/// Chunks whose resid_post rows are measured: of one shape, at least one, each
/// with rows 0 .. end-1.
struct codec_sample {
  std::vector<ready_rows> chunks;
};

/// Likeliest tokens of a residual row after the model's head, best first.
using top_tokens =
    std::function<std::vector<std::uint32_t>(std::span<const float>)>;

struct codec_rates {
  quality kept = quality::lossless;
  std::uint64_t positions = 0;
  // Bits per number.
  double payload_bits = 0;  // without headers, offsets and coder states
  double value_bits = 0;    // everything in the stored values
  double disk_bits = 0;     // in whole pages of the store's file
  // Relative errors of rows: root mean square of the difference over that of
  // what was there.
  double error_mean = 0;
  double error_p99 = 0;
  double error_worst = 0;
  double ordinary_mean = 0;  // over ordinary channels (quality.hpp)
  double largest_mean = 0;   // over the others; 0 where there are none
  // Agreement of the lens; below 0: not measured.
  double top1 = -1;
  double top10 = -1;
  // Millions of raw bytes a second of one core's time.
  double encode_mb_s = 0;
  double decode_mb_s = 0;
};

/// What the store's pages take for a value of so many bytes, key included.
std::uint64_t page_bytes_of_value(std::uint64_t value_bytes);

/// Encodes, decodes and compares every row; then times one chunk. `lens` may be
/// empty. Fails when the codec cannot read what it wrote.
result<codec_rates> measure_rates(const codec_sample& sample, quality kept,
                                  const codebook* book, const top_tokens& lens);

}  // namespace lamina

#include "actors/measure/capture_plan.hpp"

#include <algorithm>
#include <cmath>

#include "actors/chunks/lens_record.hpp"
#include "actors/codec/rans.hpp"
#include "actors/codec/value_format.hpp"
#include "actors/measure/codec_rates.hpp"

namespace lamina {
namespace {

// Payload bits per number of bfloat16 rows (docs/codecs.md), and of rows that
// stand by themselves: of key layers, embed and final_norm.
struct payload_rate {
  double bits;
  double alone;
};
payload_rate rate_of(quality kept) {
  switch (kept) {
    case quality::high:
      return {6.4, 7.7};
    case quality::balanced:
      return {2.6, 3.9};
    case quality::small:
      return {1.7, 2.9};
    default:
      return {9.1, 10.6};
  }
}

// Bits that lossless keeps beyond those of bfloat16.
double more_bits(const capture_shape& shape, quality kept) {
  if (is_lossy(kept)) return 0;
  if (shape.element == dtype::float32) return 16;
  return shape.element == dtype::float16 ? 3 : 0;
}

double value_bytes(const capture_shape& shape, quality kept,
                   std::uint32_t layers, double bits) {
  const double numbers = double{chunk_positions} * layers * shape.width;
  const double groups = std::ceil(layers / double{key_interval});
  const double of_row = groups * (1.0 + 4.0 * rans_lanes(shape.width)) +
                        layers * (is_lossy(kept) ? 3.0 : 2.0);
  return value_header_bytes + 4 * (groups + 1) +
         groups * 4 * (chunk_positions + 1) + chunk_positions * of_row +
         numbers * (bits + more_bits(shape, kept)) / 8;
}

void add_value(stored_sizes& sizes, double bytes, double share = 1) {
  sizes.values += share;
  sizes.value_bytes += share * bytes;
  sizes.page_bytes += share * static_cast<double>(page_bytes_of_value(
                                  static_cast<std::uint64_t>(bytes)));
}

// A leaf is about two thirds full when keys come in no order.
constexpr double leaf_fill = 0.67;
// LMDB's header of a record in a leaf, and its reference to pages elsewhere.
constexpr double node_bytes = 8, reference_bytes = 8;

// Of one chunk in leaves: its record with 16 tokens of a few bytes, its name,
// who refers to it, and the nodes that lead to values and lens records.
double leaf_bytes(const plan_question& q) {
  constexpr double chunk_record = 12 + 8 + 24 + chunk_positions * 15.0;
  constexpr double name = 16 + 24, referrer = 28;
  double bytes = chunk_record + name + referrer + 3 * node_bytes;
  bytes += q.sizes.values * (19 + node_bytes + reference_bytes);
  if (q.lens_records) bytes += 16 + node_bytes + reference_bytes;
  return bytes / leaf_fill;
}

double lens_page_bytes(const capture_shape& shape) {
  constexpr std::uint64_t before = 8 + 24;  // checksum and header
  const std::uint64_t bytes =
      before + chunk_positions * (shape.layers + 1) * sizeof(lens_record);
  return static_cast<double>(page_bytes_of_value(bytes));
}

std::uint64_t fit(double budget, double each) {
  return each > 0 ? static_cast<std::uint64_t>(budget / each) : 0;
}

}  // namespace

stored_sizes default_sizes(const capture_shape& shape, quality kept) {
  const payload_rate rate = rate_of(kept);
  stored_sizes sizes;
  add_value(sizes, value_bytes(shape, kept, 1, rate.alone), 2);
  const std::uint32_t per_value = layers_per_value(shape);
  for (std::uint32_t first = 0; first < shape.layers; first += per_value) {
    const std::uint32_t layers = std::min(per_value, shape.layers - first);
    add_value(sizes, value_bytes(shape, kept, layers, rate.bits));
  }
  return sizes;
}

capture_plan plan_capture(const plan_question& q) {
  const double chunks = std::ceil(static_cast<double>(q.tokens) /
                                  static_cast<double>(chunk_positions));
  const double values = q.sizes.page_bytes;
  const double lens = q.lens_records ? lens_page_bytes(q.shape) : 0;
  const double records = leaf_bytes(q);
  const double of_chunk = values + lens + records;
  const auto whole = [](double bytes) {
    return static_cast<std::uint64_t>(std::llround(bytes));
  };
  capture_plan plan;
  plan.value_bytes = whole(chunks * values);
  plan.lens_bytes = whole(chunks * lens);
  plan.record_bytes = whole(chunks * records);
  plan.disk_bytes = plan.value_bytes + plan.lens_bytes + plan.record_bytes;
  plan.disk_bytes_per_token = of_chunk / chunk_positions;
  plan.raw_bytes = q.tokens * q.shape.slots() * q.shape.row_bytes();
  plan.chunk_raw_bytes =
      chunk_positions * q.shape.slots() * q.shape.row_bytes();
  const double in_memory =
      q.sizes.value_bytes +
      (q.lens_records
           ? chunk_positions * (q.shape.layers + 1.0) * sizeof(lens_record)
           : 0);
  plan.memory_bytes_per_token = in_memory / chunk_positions;
  if (q.speeds.encode_bytes_s > 0)
    plan.encode_seconds =
        static_cast<double>(plan.raw_bytes) / q.speeds.encode_bytes_s;
  if (q.speeds.tokens_s > 0)
    plan.engine_seconds = static_cast<double>(q.tokens) / q.speeds.tokens_s;
  plan.tokens_on_disk =
      fit(static_cast<double>(q.disk_bytes_max), plan.disk_bytes_per_token);
  plan.tokens_in_memory =
      fit(static_cast<double>(q.memory_bytes_max), plan.memory_bytes_per_token);
  if (q.speeds.tokens_s > 0)
    plan.hours_on_disk =
        static_cast<double>(plan.tokens_on_disk) / q.speeds.tokens_s / 3600;
  return plan;
}

}  // namespace lamina

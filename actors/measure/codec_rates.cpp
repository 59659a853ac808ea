#include "actors/measure/codec_rates.hpp"

#include <time.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "actors/codec/rans.hpp"
#include "actors/codec/value_format.hpp"

namespace lamina {
namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

// Of the best of the calls that fit into a third of a second: neighbours make
// a call slower, never faster.
template <class Call>
double best_seconds(Call call) {
  constexpr double enough = 0.3;
  double best = 1e9, spent = 0;
  for (int round = 0; round < 3 || (spent < enough && round < 200); ++round) {
    const double begin = processor_seconds();
    call();
    const double taken = processor_seconds() - begin;
    best = std::min(best, taken);
    spent += taken;
  }
  return best;
}

double mean_of(const std::vector<double>& samples) {
  if (samples.empty()) return 0;
  return std::accumulate(samples.begin(), samples.end(), 0.0) /
         static_cast<double>(samples.size());
}

double percentile(std::vector<double> samples, double share) {
  if (samples.empty()) return 0;
  const auto at = static_cast<std::size_t>(
      share * static_cast<double>(samples.size() - 1) + 0.5);
  std::nth_element(samples.begin(), samples.begin() + static_cast<long>(at),
                   samples.end());
  return samples[at];
}

struct row_differences {
  std::vector<double> row, ordinary, largest;

  void add(std::span<const float> x, std::span<const float> y) {
    double mean = 0;
    for (const float v : x)
      mean += std::abs(v) / static_cast<double>(x.size());
    double error[2] = {}, size[2] = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int large = std::abs(x[i]) > ordinary_factor * mean ? 1 : 0;
      error[large] += std::pow(double{x[i]} - y[i], 2);
      size[large] += std::pow(double{x[i]}, 2);
    }
    const auto relative = [](double e, double s) {
      return s > 0 ? std::sqrt(e / s) : 0.0;
    };
    row.push_back(relative(error[0] + error[1], size[0] + size[1]));
    ordinary.push_back(relative(error[0], size[0]));
    if (size[1] > 0) largest.push_back(relative(error[1], size[1]));
  }
};

struct agreement {
  double rows = 0, same_first = 0, shared = 0, looked_at = 0;

  void add(const top_tokens& lens, std::span<const float> exact,
           std::span<const float> decoded) {
    const auto was = lens(exact);
    const auto is = lens(decoded);
    if (was.empty() || is.empty()) return;
    ++rows;
    same_first += was[0] == is[0] ? 1 : 0;
    for (const std::uint32_t id : is)
      shared += std::ranges::count(was, id) > 0 ? 1 : 0;
    looked_at += static_cast<double>(is.size());
  }
};

std::vector<stored_value_ptr> encode_residuals(const ready_rows& rows,
                                               quality kept,
                                               const codebook* book) {
  std::vector<stored_value_ptr> values;
  for (const value_key& key :
       value_keys({}, site::resid_post, rows.chunk->shape()))
    values.push_back(std::make_shared<const stored_value>(
        encode(key, *rows.chunk, rows.end, kept, book)));
  return values;
}

// Bytes of a chunk's values that do not grow with their rows' width.
double fixed_bytes(const capture_shape& shape, quality kept, std::uint32_t rows,
                   std::size_t values) {
  const std::uint32_t groups = (shape.layers + key_interval - 1) / key_interval;
  const double of_row = groups * (1.0 + 4.0 * rans_lanes(shape.width)) +
                        shape.layers * (kept == quality::lossless ? 2.0 : 3.0);
  const double offsets = 4.0 * groups * (rows + 1);
  return rows * of_row + offsets + 4.0 * (groups + values) +
         static_cast<double>(values * value_header_bytes);
}

std::vector<std::uint32_t> residual_slots(const capture_shape& shape) {
  std::vector<std::uint32_t> slots(shape.layers);
  std::iota(slots.begin(), slots.end(), slot_of(site::resid_post, 0, 0));
  return slots;
}

result<std::shared_ptr<row_block>> decoded(
    const ready_rows& rows, std::span<const stored_value_ptr> values,
    const book_shelf& books) {
  const capture_shape& shape = rows.chunk->shape();
  auto block = std::make_shared<row_block>(shape, rows.chunk->first(),
                                           residual_slots(shape), 0, rows.end);
  BOOST_OUTCOME_TRYV(decode_into(values, books, *block));
  return block;
}

void compare(const ready_rows& rows, const row_block& back,
             const top_tokens& lens, row_differences& errors,
             agreement& agreed) {
  const capture_shape& shape = rows.chunk->shape();
  std::vector<float> x(shape.width), y(shape.width);
  for (std::uint32_t row = 0; row < rows.end; ++row)
    for (const std::uint32_t slot : back.slots()) {
      widen_row(rows.chunk->row(slot, row), shape.element, x);
      widen_row(back.row(slot, row), shape.element, y);
      errors.add(x, y);
      if (lens) agreed.add(lens, x, y);
    }
}

// Millions of raw bytes a second, of a chunk in the middle.
void time_codec(const codec_sample& sample, const codebook* book,
                const book_shelf& books, codec_rates& rates) {
  const ready_rows& rows = sample.chunks[sample.chunks.size() / 2];
  const capture_shape& shape = rows.chunk->shape();
  const double raw_mb =
      1e-6 * static_cast<double>(rows.end * shape.layers * shape.row_bytes());
  const auto values = encode_residuals(rows, rates.kept, book);
  rates.encode_mb_s = raw_mb / best_seconds([&] {
                        (void)encode_residuals(rows, rates.kept, book);
                      });
  row_block block(shape, 0, residual_slots(shape), 0, rows.end);
  rates.decode_mb_s =
      raw_mb / best_seconds([&] { (void)decode_into(values, books, block); });
}

}  // namespace

// LMDB keeps a large record on pages of its own, the first of which begins with
// 16 bytes; four more precede the value (docs/storage-format.md).
std::uint64_t page_bytes_of_value(std::uint64_t value_bytes) {
  constexpr std::uint64_t page = 4096, before = 20;
  return (value_bytes + before + page - 1) / page * page;
}

result<codec_rates> measure_rates(const codec_sample& sample, quality kept,
                                  const codebook* book,
                                  const top_tokens& lens) {
  assert(!sample.chunks.empty());
  if (!is_lossy(kept)) book = nullptr;
  book_shelf_ptr books = std::make_shared<const book_shelf>();
  if (book != nullptr)
    books = books->with({}, std::make_shared<const codebook>(*book));
  codec_rates rates;
  rates.kept = kept;
  double bytes = 0, disk = 0, fixed = 0, numbers = 0;
  row_differences errors;
  agreement agreed;
  for (const ready_rows& rows : sample.chunks) {
    const capture_shape& shape = rows.chunk->shape();
    const auto values = encode_residuals(rows, kept, book);
    for (const auto& value : values) {
      bytes += static_cast<double>(value->bytes.size());
      disk += static_cast<double>(page_bytes_of_value(value->bytes.size()));
    }
    fixed += fixed_bytes(shape, kept, rows.end, values.size());
    numbers += static_cast<double>(rows.end) * shape.layers * shape.width;
    rates.positions += rows.end;
    BOOST_OUTCOME_TRY(back, decoded(rows, values, *books));
    // Exact rows say the same, and asking is what costs most.
    compare(rows, *back, is_lossy(kept) ? lens : top_tokens(), errors, agreed);
  }
  rates.payload_bits = 8 * std::max(0.0, bytes - fixed) / numbers;
  rates.value_bits = 8 * bytes / numbers;
  rates.disk_bits = 8 * disk / numbers;
  rates.error_mean = mean_of(errors.row);
  rates.error_p99 = percentile(errors.row, 0.99);
  rates.error_worst = percentile(errors.row, 1);
  rates.ordinary_mean = mean_of(errors.ordinary);
  rates.largest_mean = mean_of(errors.largest);
  if (lens && !is_lossy(kept)) rates.top1 = rates.top10 = 1;
  if (agreed.rows > 0) {
    rates.top1 = agreed.same_first / agreed.rows;
    rates.top10 = agreed.shared / agreed.looked_at;
  }
  time_codec(sample, book, *books, rates);
  return rates;
}

}  // namespace lamina

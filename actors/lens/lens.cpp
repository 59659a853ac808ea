#include "actors/lens/lens.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "actors/lens/distribution.hpp"

namespace lamina {

/// Rounding may have made a small number negative; a NaN stays one.
double at_least_zero(double x) {
  return x < 0 ? 0.0 : x;
}

lens_record record_of(const distribution& layer, const distribution& last,
                      bool is_last) {
  lens_record record{};
  for (std::uint32_t k = 0; k < lens_top_k; ++k) {
    record.top_ids[k] = layer.top_ids[k];
    record.top_log_probabilities[k] =
        static_cast<float>(layer.top_logits[k] - layer.log_normaliser);
  }
  record.entropy = static_cast<float>(
      at_least_zero(layer.log_normaliser - layer.mean_logit));
  // KL(p || q) = E_p[x - y] - log Zp + log Zq. Never below 0 but by rounding.
  const double kl =
      layer.mean_difference - layer.log_normaliser + last.log_normaliser;
  // Of the last layer it is 0, unless that is no distribution.
  record.kl_to_final =
      is_last ? (std::isnan(record.entropy) ? record.entropy : 0.0f)
              : static_cast<float>(at_least_zero(kl));
  return record;
}

token_rating rate_row(std::span<const float> row, const distribution& of_row,
                      token_id token) {
  return {rank_of(row, token),
          static_cast<float>(row[token] - of_row.log_normaliser)};
}

namespace {

token_rating rating(std::span<const float> row, token_id token,
                    double log_normaliser) {
  // Brought tokens may be of a larger vocabulary: never predicted.
  if (token >= row.size())
    return {static_cast<std::uint32_t>(row.size()),
            -std::numeric_limits<float>::infinity()};
  return {rank_of(row, token), static_cast<float>(row[token] - log_normaliser)};
}

// The positions that compute_lens walks over: the predecessor, when there is
// one, then the rows asked for.
struct walk {
  const lens_input& in;
  bool before;

  std::uint32_t count() const {
    return in.rows.end - in.rows.begin + (before ? 1 : 0);
  }
  bool is_predecessor(std::uint32_t i) const { return before && i == 0; }
  // Index among the rows asked for.
  std::uint32_t asked(std::uint32_t i) const { return i - (before ? 1 : 0); }

  void gather(std::uint32_t i, std::span<float> out) const {
    if (is_predecessor(i))
      gather_residuals(*in.predecessor.chunk, in.predecessor.end - 1, out);
    else
      gather_residuals(*in.rows.chunk, in.rows.begin + asked(i), out);
  }
};

bool is_just_before(const ready_rows& predecessor, const ready_rows& rows) {
  return predecessor.chunk != nullptr && predecessor.end > predecessor.begin &&
         predecessor.chunk->first() + predecessor.end ==
             rows.chunk->first() + rows.begin;
}

// The records of position i of the walk; `spare` for the predecessor's, which
// nobody asked for.
std::span<lens_record> records_of(const walk& positions, std::uint32_t i,
                                  std::vector<lens_record>& spare,
                                  lens_rows& out) {
  const std::uint32_t rows = out.layers + 1;
  if (!positions.is_predecessor(i))
    return std::span(out.records)
        .subspan(std::size_t{positions.asked(i)} * rows, rows);
  spare.resize(rows);
  return spare;
}

// Logits of position i of the walk: its record, and the rating it gives to
// the position after it.
void take_position(const walk& positions, std::uint32_t i,
                   std::span<const float> logits, std::uint32_t vocabulary,
                   std::vector<token_rating>& ratings, lens_rows& out) {
  const std::uint32_t rows = out.layers + 1;
  std::vector<lens_record> spare;
  const auto records = records_of(positions, i, spare, out);
  summarise(logits, vocabulary, records);
  if (i > 0)
    for (std::uint32_t l = 0; l < rows; ++l)
      records[l].of_this = ratings[l];
  if (i + 1 == positions.count()) return;
  const token_id next = positions.in.tokens[positions.asked(i + 1)];
  rate(logits, vocabulary, records, next, ratings);
}

// How position i of the walk, whose rows begin at `first`, rates the next.
// Brought tokens may be of a larger vocabulary: never predicted.
std::vector<token_rating> rate_scored(const walk& positions, std::uint32_t i,
                                      std::uint32_t first, std::uint32_t rows,
                                      const scored_rows& scored,
                                      std::uint32_t vocabulary) {
  const token_id next = positions.in.tokens[positions.asked(i + 1)];
  if (next >= vocabulary)
    return std::vector<token_rating>(
        rows, {vocabulary, -std::numeric_limits<float>::infinity()});
  std::vector<row_token> rated;
  for (std::uint32_t l = 0; l < rows; ++l)
    rated.push_back({first + l, next});
  return scored.rate(rated);
}

// The same as take_position where logits stay on a device. They begin at row
// `first` of it.
void take_scored(const walk& positions, std::uint32_t i, std::uint32_t first,
                 const scored_rows& scored, std::uint32_t vocabulary,
                 std::vector<token_rating>& ratings, lens_rows& out) {
  const std::uint32_t rows = out.layers + 1;
  std::vector<lens_record> spare;
  const auto records = records_of(positions, i, spare, out);
  std::vector<row_pair> pairs;
  for (std::uint32_t l = 0; l < rows; ++l)
    pairs.push_back({first + l, first + rows - 1});
  const auto summaries = scored.summarise(pairs);
  for (std::uint32_t l = 0; l < rows; ++l) {
    records[l] = record_of(summaries[l], summaries.back(), l + 1 == rows);
    if (i > 0) records[l].of_this = ratings[l];
  }
  if (i + 1 < positions.count())
    ratings = rate_scored(positions, i, first, rows, scored, vocabulary);
}

}  // namespace

void summarise(std::span<const float> logits, std::uint32_t vocabulary,
               std::span<lens_record> out) {
  assert(logits.size() == out.size() * std::size_t{vocabulary});
  const auto row = [&](std::size_t l) {
    return logits.subspan(l * vocabulary, vocabulary);
  };
  const std::size_t last = out.size() - 1;
  const auto final_row = summarise_row(row(last), row(last).data());
  for (std::size_t l = 0; l < last; ++l)
    out[l] =
        record_of(summarise_row(row(l), row(last).data()), final_row, false);
  out[last] = record_of(final_row, final_row, true);
}

void rate(std::span<const float> logits, std::uint32_t vocabulary,
          token_id token, std::span<token_rating> out) {
  assert(logits.size() == out.size() * std::size_t{vocabulary});
  for (std::size_t l = 0; l < out.size(); ++l) {
    const auto row = logits.subspan(l * vocabulary, vocabulary);
    out[l] = rate_row(row, summarise_row(row, row.data()), token);
  }
}

void rate(std::span<const float> logits, std::uint32_t vocabulary,
          std::span<const lens_record> summarised, token_id token,
          std::span<token_rating> out) {
  assert(summarised.size() == out.size());
  for (std::size_t l = 0; l < out.size(); ++l) {
    const auto row = logits.subspan(l * vocabulary, vocabulary);
    const lens_record& r = summarised[l];
    if (r.top_ids[0] == no_token) {  // nothing but NaN
      out[l] = rating(row, token, std::nan(""));
      continue;
    }
    // The record's best token gives the normaliser back.
    const double log_normaliser =
        static_cast<double>(row[r.top_ids[0]]) - r.top_log_probabilities[0];
    out[l] = rating(row, token, log_normaliser);
  }
}

void gather_residuals(const raw_chunk& chunk, std::uint32_t row,
                      std::span<float> out) {
  const capture_shape& shape = chunk.shape();
  for (std::uint32_t slot = 0; slot <= shape.layers; ++slot)
    widen_row(chunk.row(slot, row), shape.element,
              out.subspan(std::size_t{slot} * shape.width, shape.width));
}

std::uint32_t lens_slice_positions(std::uint32_t layers,
                                   std::uint32_t vocabulary) {
  const std::size_t bytes =
      (std::size_t{layers} + 1) * vocabulary * sizeof(float);
  return static_cast<std::uint32_t>(
      std::max<std::size_t>(lens_slice_bytes / bytes, 1));
}

lens_rows compute_lens(const output_head& head, const lens_input& in,
                       int threads) {
  assert(in.tokens.size() == in.rows.end - in.rows.begin);
  const capture_shape& shape = in.rows.chunk->shape();
  const walk positions{in, is_just_before(in.predecessor, in.rows)};
  const std::uint32_t rows = shape.layers + 1;
  lens_rows out;
  out.first = in.rows.chunk->first() + in.rows.begin;
  out.layers = shape.layers;
  out.first_rated = positions.before;
  out.records.resize(in.tokens.size() * std::size_t{rows});

  const std::uint32_t slice = std::min(
      lens_slice_positions(shape.layers, head.vocabulary()), positions.count());
  const std::size_t residual_size = std::size_t{rows} * shape.width;
  const std::size_t logits_size = std::size_t{rows} * head.vocabulary();
  std::vector<float> residuals(slice * residual_size);
  std::vector<float> logits;
  std::vector<token_rating> ratings(rows);
  for (std::uint32_t first = 0; first < positions.count(); first += slice) {
    const std::uint32_t count = std::min(slice, positions.count() - first);
    for (std::uint32_t i = 0; i < count; ++i)
      positions.gather(first + i, std::span(residuals).subspan(
                                      i * residual_size, residual_size));
    const std::span<const float> read(residuals.data(), count * residual_size);
    if (const auto scored = head.score(read, count * rows, threads)) {
      for (std::uint32_t i = 0; i < count; ++i)
        take_scored(positions, first + i, i * rows, *scored, head.vocabulary(),
                    ratings, out);
      continue;
    }
    logits.resize(slice * logits_size);
    head.logits(read, count * rows, {logits.data(), count * logits_size},
                threads);
    for (std::uint32_t i = 0; i < count; ++i)
      take_position(positions, first + i,
                    std::span(logits).subspan(i * logits_size, logits_size),
                    head.vocabulary(), ratings, out);
  }
  return out;
}

}  // namespace lamina

#include "actors/lens/readout.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <map>

#include "actors/lens/lens.hpp"

namespace lamina {
namespace {

// The slots whose logits are computed: those asked for, each once, and the last
// layer's at the end, to which the others are compared.
struct computed_slots {
  std::vector<std::uint32_t> slots;
  std::vector<std::size_t> row_of;  // of each slot of the query

  computed_slots(const readout_query& query, std::uint32_t last) {
    std::map<std::uint32_t, std::size_t> rows;
    for (const auto slot : query.slots) {
      if (slot == last || !rows.emplace(slot, slots.size()).second) continue;
      slots.push_back(slot);
    }
    rows[last] = slots.size();
    slots.push_back(last);
    for (const auto slot : query.slots)
      row_of.push_back(rows[slot]);
  }
};

// residuals: float [position][computed slot][width]
std::vector<float> gather(const computed_slots& computed,
                          const readout_query& query, const ready_rows& rows,
                          int threads) {
  const capture_shape& shape = rows.chunk->shape();
  const std::uint32_t positions = rows.end - rows.begin;
  const std::size_t width = shape.width;
  const std::size_t stride = computed.slots.size() * width;
  std::vector<float> residuals(positions * stride);
  std::vector<float> of_slot(positions * width);
  for (std::size_t s = 0; s < computed.slots.size(); ++s) {
    const std::uint32_t slot = computed.slots[s];
    for (std::uint32_t p = 0; p < positions; ++p)
      widen_row(rows.chunk->row(slot, rows.begin + p), shape.element,
                std::span(of_slot).subspan(p * width, width));
    if (query.maps) query.maps->apply(slot, of_slot, positions, threads);
    for (std::uint32_t p = 0; p < positions; ++p)
      std::copy_n(of_slot.begin() + static_cast<std::ptrdiff_t>(p * width),
                  width,
                  residuals.begin() +
                      static_cast<std::ptrdiff_t>(p * stride + s * width));
  }
  return residuals;
}

double log_normaliser_of(std::span<const float> row, const lens_record& r) {
  // Rows of nothing but NaN have no best token.
  if (r.top_ids[0] == no_token) return std::nan("");
  return static_cast<double>(row[r.top_ids[0]]) - r.top_log_probabilities[0];
}

// More predictions than a record has.
void take_many(std::span<const float> row, const lens_record& summary,
               std::uint32_t top_k, layer_readout& out) {
  std::vector<token_id> ids;
  ids.reserve(row.size());
  for (token_id id = 0; id < row.size(); ++id)
    if (row[id] > -std::numeric_limits<float>::infinity()) ids.push_back(id);
  const auto better = [&](token_id a, token_id b) {
    return row[a] != row[b] ? row[a] > row[b] : a < b;
  };
  const auto count = std::min<std::size_t>(top_k, ids.size());
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(count);
  if (end != ids.end()) std::nth_element(ids.begin(), end, ids.end(), better);
  std::sort(ids.begin(), end, better);
  out.top_ids.assign(ids.begin(), end);
  const double log_normaliser = log_normaliser_of(row, summary);
  for (const auto id : out.top_ids)
    out.top_log_probabilities.push_back(
        static_cast<float>(row[id] - log_normaliser));
}

void take_few(const lens_record& summary, std::uint32_t top_k,
              layer_readout& out) {
  for (std::uint32_t k = 0; k < top_k; ++k) {
    if (summary.top_ids[k] == no_token) break;
    out.top_ids.push_back(summary.top_ids[k]);
    out.top_log_probabilities.push_back(summary.top_log_probabilities[k]);
  }
}

layer_readout layer_of(std::span<const float> row, const lens_record& summary,
                       const readout_query& query, token_id next) {
  layer_readout out;
  out.entropy = summary.entropy;
  out.kl_to_final = summary.kl_to_final;
  if (query.top_k > lens_top_k)
    take_many(row, summary, query.top_k, out);
  else
    take_few(summary, query.top_k, out);
  const auto rated = [&](token_id token) {
    token_rating rating;
    rate(row, static_cast<std::uint32_t>(row.size()), {&summary, 1}, token,
         {&rating, 1});
    return rating;
  };
  for (const auto token : query.tracked)
    out.tracked.push_back(rated(token));
  if (next != no_token) out.next = rated(next);
  return out;
}

}  // namespace

std::uint32_t readout_slice_positions(const readout_query& query,
                                      std::uint32_t vocabulary) {
  return lens_slice_positions(static_cast<std::uint32_t>(query.slots.size()),
                              vocabulary);
}

readout read_out(const output_head& head, const readout_query& query,
                 const ready_rows& rows, std::span<const token_id> next,
                 int threads) {
  const std::uint32_t positions = rows.end - rows.begin;
  const std::uint32_t vocabulary = head.vocabulary();
  assert(next.size() == positions);
  const computed_slots computed(query, rows.chunk->shape().layers);
  const auto count = static_cast<std::uint32_t>(computed.slots.size());
  const std::vector<float> residuals = gather(computed, query, rows, threads);
  std::vector<float> logits(std::size_t{positions} * count * vocabulary);
  head.logits(residuals, positions * count, logits, threads);

  readout out;
  std::vector<lens_record> summaries(count);
  for (std::uint32_t p = 0; p < positions; ++p) {
    const auto of_position = std::span<const float>(logits).subspan(
        std::size_t{p} * count * vocabulary, std::size_t{count} * vocabulary);
    summarise(of_position, vocabulary, summaries);
    for (const auto row : computed.row_of)
      out.push_back(layer_of(of_position.subspan(row * vocabulary, vocabulary),
                             summaries[row], query, next[p]));
  }
  return out;
}

}  // namespace lamina

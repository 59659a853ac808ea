#include "actors/search.hpp"

#include <algorithm>
#include <bit>
#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

std::size_t text_bytes_of(const std::vector<chunk_record>& chunks) {
  std::size_t bytes = 0;
  for (const auto& chunk : chunks)
    for (const auto& token : chunk.tokens)
      bytes += token.bytes.size();
  return bytes;
}

}  // namespace

/// Searches that are gone leave the list of the running ones.
void search_state::noticed(const search_query_ptr& query) {
  std::erase_if(running, [](const auto& known) { return known.expired(); });
  const auto is_it = [&](const auto& known) { return known.lock() == query; };
  if (std::any_of(running.begin(), running.end(), is_it)) return;
  running.push_back(query);
  ++counts.searches;
}

result<history_ptr> search_state::read_one(const search_query& query,
                                           conversation_id id) {
  auto found = std::make_shared<history_conversation>();
  found->id = id;
  BOOST_OUTCOME_TRY(chunks, reader->chunks(id));
  found->chunks = std::move(chunks);
  if (query.ranking) {
    found->rows = select_rows(found->chunks, query.where);
  } else {
    found->places = find_text(found->chunks, query.where);
    found->rows = last_rows(found->chunks.size(), found->places);
  }
  return history_ptr(std::move(found));
}

history_read search_state::read(const read_history& m) {
  noticed(m.query);
  ++counts.slices;
  history_read answer;
  std::size_t positions = 0;
  std::size_t bytes = 0;
  for (auto i = m.begin; i < m.ids->size(); ++i) {
    answer.push_back(read_one(*m.query, (*m.ids)[i]));
    if (const auto& read = answer.back()) {
      positions += read.value()->chunks.size() * chunk_positions;
      bytes += text_bytes_of(read.value()->chunks);
    }
    if (answer.size() >= options.slice_conversations ||
        positions >= options.slice_positions ||
        bytes >= options.slice_text_bytes)
      break;
  }
  return answer;
}

void search_state::score_one(const score_chunks& m, std::size_t index,
                             const stored_value* value, chunks_scored& into,
                             best_hits& best) {
  const auto& query = *m.query;
  const auto& chunk = (*m.chunks)[index];
  const auto count = [](std::uint32_t rows) {
    return static_cast<std::uint64_t>(std::popcount(rows));
  };
  if (!value) {
    into.missing += count(chunk.rows);
    return;
  }
  // Decoding says so where it needs one that is not there.
  const auto book = books.find(value->book, *reader);
  auto scored = scores.score(*query.ranking, *value, query.layer, chunk.rows,
                             book ? book.value() : nullptr);
  if (!scored) {
    into.missing += count(chunk.rows);
    if (scored.error().code == error_code::corrupt)
      into.damages.push_back({index, "activations of chunk " +
                                         to_string(chunk.name) + ": " +
                                         to_string(scored.error())});
    return;
  }
  const auto& of = scored.value();
  into.scored += count(of.scored);
  into.missing += count(of.missing);
  into.unranked += count(of.unranked);
  into.relative_error = std::max(into.relative_error, of.relative_error);
  for (std::uint32_t row = 0; row < chunk_positions; ++row)
    if ((of.scored >> row & 1u) != 0)
      best.add({of.scores[row], chunk.conversation,
                first_position(chunk.chunk) + row, 1, chunk.name, row});
}

scoring_result search_state::score(const score_chunks& m) {
  noticed(m.query);
  ++counts.slices;
  chunks_scored answer;
  best_hits best(m.query->top);
  const auto last =
      std::min(m.chunks->size(), m.begin + std::size_t{options.slice_chunks});
  std::uint64_t bytes = 0;
  answer.end = m.begin;
  for (; answer.end < last && bytes < options.slice_bytes; ++answer.end) {
    const auto& chunk = (*m.chunks)[answer.end];
    const auto key =
        key_of_layer(chunk.name, m.query->at, m.query->layer, chunk.shape);
    BOOST_OUTCOME_TRY(there, reader->value(key, reading));
    if (there) bytes += reading.bytes.size();
    score_one(m, answer.end, there ? &reading : nullptr, answer, best);
  }
  answer.hits = best.sorted();
  counts.positions_scored += answer.scored;
  return answer;
}

search_status search_state::status() {
  std::erase_if(running, [](const auto& known) { return known.expired(); });
  counts.running = running.size();
  return counts;
}

search_actor::behavior_type search(search_state::pointer self,
                                   std::shared_ptr<store> environment,
                                   search_options options) {
  auto& state = self->state;
  state.options = options;
  state.environment = std::move(environment);
  state.reader = state.environment->reader();
  return {
      [&state](const read_history& m) { return state.read(m); },
      [&state](const score_chunks& m) { return state.score(m); },
      [&state](const get_search_status&) { return state.status(); },
  };
}

}  // namespace lamina

#include "actors/request_search.hpp"

#include <algorithm>
#include <utility>

#include "actors/messages/ledger.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

/// Positions that the catalog counts and the disk does not have yet. Where a
/// restriction asks for their tokens, which they keep to themselves, they are
/// not counted.
std::uint64_t not_written(const conversation_record& record,
                          const history_conversation& read,
                          const restriction& where) {
  if (!where.any_token()) return 0;
  position_t written = 0;
  for (const auto& chunk : read.chunks)
    written += static_cast<position_t>(chunk.tokens.size());
  const auto begin = std::max(written, where.begin);
  const auto end = std::min(record.positions, where.end);
  return end > begin ? end - begin : 0;
}

}  // namespace

void search_request_state::stop(const error& e) {
  if (std::exchange(ended, true)) return;
  send_error(self, ctx, e);
}

void search_request_state::next_conversations() {
  if (taken == ids->size()) return finish();
  self->request(ctx.view->search, caf::infinite,
                read_history{query, ids, taken})
      .then(
          [this](const history_read& read) {
            if (!ended) take_conversations(read);
          },
          unavailable(self, ctx, "search actor"));
}

void search_request_state::take_conversations(const history_read& read) {
  current.clear();
  walked_at.clear();
  auto fresh = std::make_shared<std::vector<chunk_rows>>();
  for (const auto& one : read) {
    const auto order = static_cast<std::uint32_t>(taken++);
    // What is there is what is gone through, whatever the list said.
    counts.chunks_total -= chunks_of(chosen[order]);
    if (one) {
      counts.chunks_total += one.value()->chunks.size();
      take(one.value(), order, *fresh);
      continue;
    }
    // Deleted since the list was made, or so new that nothing is on disk.
    if (one.error().code == error_code::not_found) {
      if (query->ranking && chosen[order].state == turn_state::running)
        counts.positions_missing +=
            not_written(chosen[order], {}, query->where);
      continue;
    }
    ++counts.conversations_unreadable;
    self->send(ctx.view->supervisor, damage_found{to_string(one.error())});
  }
  pool = std::move(fresh);
  if (query->ranking)
    next_chunks(0);
  else
    take_places();
}

void search_request_state::take(const history_ptr& conversation,
                                std::uint32_t order,
                                std::vector<chunk_rows>& fresh) {
  ++counts.conversations;
  current[order] = conversation;
  const auto& record = chosen[order];
  if (query->ranking)
    counts.positions_missing +=
        not_written(record, *conversation, query->where);
  for (std::uint32_t c = 0; c < conversation->chunks.size(); ++c) {
    ++walked;
    const auto& chunk = conversation->chunks[c].name;
    const auto wanted = without_query(*conversation, c, conversation->rows[c]);
    const auto rows = seen.add(chunk, wanted);
    if (rows == 0) continue;
    fresh.push_back({chunk, record.shape, c, rows, order});
    walked_at.push_back(walked);
  }
}

/// The query is not its own hit, in whichever conversation its row stands.
std::uint32_t search_request_state::without_query(
    const history_conversation& conversation, std::uint32_t chunk,
    std::uint32_t rows) const {
  if (!place || ask->include_query) return rows;
  const auto& at = place->at;
  const bool same_place =
      conversation.id == place->record.id && chunk == at.chunk;
  if (!same_place && conversation.chunks[chunk].name != at.name) return rows;
  return rows & ~(1u << row_in_chunk(at.position));
}

/// Places that end in a row which an earlier conversation had are the same
/// ones: chunks of one name have one past.
void search_request_state::take_places() {
  for (const auto& chunk : *pool) {
    const auto& places = current.at(chunk.conversation)->places;
    const auto first = std::lower_bound(
        places.begin(), places.end(), first_position(chunk.chunk),
        [](const text_place& p, position_t begin) { return p.last() < begin; });
    for (auto p = first;
         p != places.end() && chunk_of(p->last()) == chunk.chunk; ++p) {
      const auto row = row_in_chunk(p->last());
      if ((chunk.rows >> row & 1u) == 0) continue;
      ++counts.found;
      add({0, chunk.conversation, p->first, p->tokens, chunk.name, row});
    }
  }
  counts.chunks_scanned = walked;
  show_progress();
  next_conversations();
}

void search_request_state::next_chunks(std::size_t begin) {
  if (begin == pool->size()) {
    counts.chunks_scanned = walked;
    return next_conversations();
  }
  self->request(ctx.view->search, caf::infinite,
                score_chunks{query, pool, begin})
      .then(
          [this](const scoring_result& scored) {
            if (ended) return;
            if (!scored) return stop(scored.error());
            take_scores(scored.value());
          },
          unavailable(self, ctx, "search actor"));
}

void search_request_state::take_scores(const chunks_scored& scored) {
  counts.found += scored.scored;
  counts.positions_scored += scored.scored;
  counts.positions_missing += scored.missing;
  counts.positions_unrankable += scored.unranked;
  counts.relative_error =
      std::max(counts.relative_error, scored.relative_error);
  counts.chunks_scanned = walked_at[scored.end - 1];
  for (const auto& damage : scored.damages)
    tell(damage);
  for (const auto& hit : scored.hits)
    add(hit);
  show_progress();
  next_chunks(scored.end);
}

/// A damaged value is for the log, the status and the ledger.
void search_request_state::tell(const chunks_scored::damage& damage) {
  const auto& chunk = (*pool)[damage.chunk];
  self->send(ctx.view->supervisor, damage_found{damage.what});
  self->send(ctx.view->catalog,
             chunk_found{chosen[chunk.conversation].id, chunk.chunk, chunk.name,
                         0, presence::corrupt, std::nullopt});
}

/// The context is kept now, while the conversation is at hand.
void search_request_state::add(const search_hit& hit) {
  if (!best->add(hit)) return;
  contexts[key_of(hit)] = context_of(hit);
  if (contexts.size() < 2 * std::size_t{ask->top} + 16) return;
  std::map<hit_key, hit_context> kept;
  for (const auto& still : best->sorted())
    kept[key_of(still)] = std::move(contexts[key_of(still)]);
  contexts = std::move(kept);
}

request_actor spawn_search_request(caf::actor_system& sys,
                                   request_context ctx) {
  using pointer = search_request_state::pointer;
  return sys.spawn(
      [](pointer self, request_context given) -> request_actor::behavior_type {
        self->state.ctx = std::move(given);
        self->state.run();
        return {[self](const cancel_request&) {
          self->state.stop({error_code::cancelled, "cancelled by the client"});
        }};
      },
      std::move(ctx));
}

}  // namespace lamina

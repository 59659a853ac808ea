// The write path of a turn: rows to the shards and codecs, chunks and records
// to disk, in order, and what became of them to the ledger.
#include "actors/generation.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

error gone(std::string_view who, const caf::error& e) {
  return {error_code::unavailable,
          "the " + std::string(who) + " did not answer: " + to_string(e)};
}

}  // namespace

std::optional<turn_state> generation_state::end_state() const {
  if (came_to_nothing()) return std::nullopt;
  if (failure) return turn_state::failed;
  return reason == finish_reason::cancelled ? turn_state::cancelled
                                            : turn_state::complete;
}

/// The rows of a chunk are complete, or all there will be.
void generation_state::seal(std::uint32_t index, const ready_rows& ready) {
  // A chunk before this one may have lost its rows; it goes without.
  while (sealed_next < index) {
    commits.put(sealed_next, {sealed_next, {}, 0});
    ++sealed_next;
  }
  if (is_full(ready))
    drop(index, ready);
  else
    encode(index, ready);
  if (plan.options->lens == lens_mode::deferred) defer_lens(index, ready);
  predecessor = ready;
  rows.erase(index);
  sealed_next = index + 1;
}

/// One chunk is always under way, or nothing would ever be kept.
bool generation_state::is_full(const ready_rows& ready) const {
  return when_full() == backpressure::drop && in_flight_bytes != 0 &&
         in_flight_bytes + ready.chunk->bytes() >
             plan.hosted.in_flight_bytes_max;
}

/// Its tokens are written in their turn; its rows go as soon as the lens has
/// them.
void generation_state::drop(std::uint32_t index, const ready_rows& ready) {
  const auto& chunk = log.chunk(index);
  mark(index, chunk.name, presence::dropped, std::nullopt);
  dropped_positions += static_cast<std::uint32_t>(chunk.tokens.size());
  self->send(plan.view->shard_of(chunk.name), discard_rows{chunk.name});
  if (sequence)
    self->send(plan.hosted.actor,
               return_credit{*sequence, ready.chunk->bytes()});
  commits.put(index, {index, {}, 0});
  commit_sealed();
}

void generation_state::encode(std::uint32_t index, const ready_rows& ready) {
  ++outstanding;
  in_flight_bytes += ready.chunk->bytes();
  auto chunk_name = log.chunk(index).name;
  auto credit = ready.chunk->bytes();
  const auto kept = plan.options->kept.value_or(plan.hosted.kept);
  auto book = is_lossy(kept) ? plan.view->books->of(plan.record.root) : nullptr;
  if (is_lossy(kept) && !book) teach(chunk_name, ready);
  self->request(plan.view->codec_of(chunk_name), caf::infinite,
                encode_rows{chunk_name, ready, kept, std::move(book)})
      .then(
          [this, index, chunk_name, credit](const rows_encoded& values) {
            --outstanding;
            self->send(plan.view->shard_of(chunk_name),
                       publish_values{chunk_name, values});
            commits.put(index, {index, values, credit});
            commit_sealed();
          },
          [this, index, chunk_name, credit](const caf::error& e) {
            --outstanding;
            lose_durability(gone("codec", e));
            self->send(plan.view->shard_of(chunk_name),
                       discard_chunk{chunk_name});
            commits.put(index, {index, {}, credit});
            commit_sealed();
          });
}

/// One chunk at a time: rows that wait to be learned from take memory. Those
/// that come meanwhile are passed over.
void generation_state::teach(const digest& chunk_name,
                             const ready_rows& ready) {
  if (std::exchange(teaching, true)) return;
  self->request(plan.view->book_learner, caf::infinite,
                learn_rows{plan.record.root, chunk_name, ready})
      .then([this](const acknowledged&) { teaching = false; },
            [this](const caf::error&) { teaching = false; });
}

void generation_state::defer_lens(std::uint32_t index,
                                  const ready_rows& ready) {
  auto input = std::make_shared<lens_input>();
  input->rows = ready;
  if (predecessor.chunk && predecessor.end == chunk_positions &&
      chunk_of(predecessor.chunk->first()) + 1 == index)
    input->predecessor = predecessor;
  for (const auto& t : log.chunk(index).tokens)
    input->tokens.push_back(t.id);
  input->tokens.resize(ready.end);
  ++outstanding;
  ++lens_outstanding;
  auto chunk_name = log.chunk(index).name;
  self->request(plan.view->lens_backlog, caf::infinite,
                compute_lens_rows{plan.hosted.model, input})
      .then(
          [this, index, chunk_name](const lens_computed& computed) {
            --outstanding;
            lens_ready(index, chunk_name,
                       computed ? computed.value() : nullptr);
          },
          [this, index, chunk_name](const caf::error&) {
            --outstanding;
            lens_ready(index, chunk_name, nullptr);
          });
}

/// Null rows: refused or failed, the records are computed when asked for.
void generation_state::lens_ready(std::uint32_t index, const digest& chunk_name,
                                  const lens_rows_ptr& records) {
  --lens_outstanding;
  if (!records) {
    mark(index, chunk_name, std::nullopt, presence::on_demand);
    lens_done(index);
    return end_when_served();
  }
  auto first = first_position(index);
  self->send(plan.view->shard_of(chunk_name),
             publish_lens{chunk_name, first, records});
  lens_done(index);
  auto block = std::make_shared<lens_block>(make_lens_block(records->layers));
  merge(*block, first, *records);
  if (index >= commit_next) {
    // The store would not know the chunk yet: they go with its commit.
    lens.insert_or_assign(index, std::move(*block));
    return end_when_served();
  }
  write({put_lens{chunk_name, std::move(block)}},
        [this, index, chunk_name](const result<ops_written>& outcome) {
          mark(index, chunk_name, std::nullopt,
               outcome ? presence::present : presence::on_demand);
        });
}

/// Without capture a chunk is complete when its tokens are.
void generation_state::seal_uncaptured() {
  for (; first_position(sealed_next + 1) <= log.size(); ++sealed_next)
    commits.put(sealed_next, {sealed_next, {}, 0});
  commit_sealed();
}

/// The open tail of a turn without capture, and chunks whose rows never came.
void generation_state::flush_uncaptured() {
  for (; sealed_next < log.chunks().size(); ++sealed_next)
    commits.put(sealed_next, {sealed_next, {}, 0});
  commit_sealed();
}

void generation_state::commit_sealed() {
  while (auto chunk = commits.take())
    commit(std::move(*chunk));
}

void generation_state::commit(sealed_chunk sealed) {
  commit_next = sealed.index + 1;
  auto& chunk = log.chunk(sealed.index);
  auto record = chunk;
  if (chunk.resid_post == presence::pending) {
    auto state = sealed.values.empty() ? presence::dropped : presence::present;
    mark_activations(record, state);
    if (state == presence::dropped)
      dropped_positions += static_cast<std::uint32_t>(record.tokens.size());
  }
  lens_block_ptr block;
  if (auto it = lens.find(sealed.index); it != lens.end()) {
    block = std::make_shared<const lens_block>(std::move(it->second));
    lens.erase(it);
  }
  if (record.lens == presence::pending)
    record.lens = block ? presence::present : presence::on_demand;
  bool last = finished && sealed.index + 1 == log.chunks().size();
  plan.record.positions =
      std::max(plan.record.positions,
               static_cast<position_t>(first_position(sealed.index) +
                                       record.tokens.size()));
  plan.record.state = last ? *end_state() : turn_state::running;
  auto lens_state = record.lens;
  std::vector<write_op> ops{put_conversation{plan.record}};
  // What a crash left behind a gap must not come after this turn's tokens.
  if (!std::exchange(cut, true))
    ops.push_back(cut_chunks{plan.record.id, known_chunks});
  // Records whose own commit failed go along, so that no hole stays.
  auto again = std::exchange(unwritten, {});
  for (auto index : again)
    ops.push_back(
        put_chunk{plan.record.id, index, log.chunk(index), {}, nullptr});
  again.insert(sealed.index);
  ops.push_back(put_chunk{plan.record.id, sealed.index, std::move(record),
                          sealed.values, block});
  write(std::move(ops), [this, sealed, again, chunk_name = chunk.name,
                         lens_state](const result<ops_written>& outcome) {
    (outcome ? written : unwritten).insert(again.begin(), again.end());
    committed(sealed, chunk_name, outcome);
    if (lens_state == presence::present)
      mark(sealed.index, chunk_name, std::nullopt,
           outcome ? presence::present : presence::on_demand);
  });
}

void generation_state::committed(const sealed_chunk& sealed,
                                 const digest& chunk_name,
                                 const result<ops_written>& outcome) {
  const bool lost = !outcome || outcome.value().activations_refused;
  in_flight_bytes -= sealed.credit;
  if (sequence && sealed.credit != 0)
    self->send(plan.hosted.actor, return_credit{*sequence, sealed.credit});
  const auto& chunk = log.chunk(sealed.index);
  if (chunk.resid_post == presence::pending)
    mark(sealed.index, chunk_name,
         lost || sealed.values.empty() ? presence::dropped : presence::present,
         std::nullopt);
  if (lost && !sealed.values.empty())
    dropped_positions += static_cast<std::uint32_t>(chunk.tokens.size());
  // Durable is what has no gap before it.
  auto before = stored_next;
  while (written.erase(stored_next) != 0)
    ++stored_next;
  if (stored_next == before) return;
  auto end = first_position(stored_next - 1) +
             log.chunk(stored_next - 1).tokens.size();
  self->send(
      plan.view->catalog,
      positions_made_durable{plan.record.id, static_cast<position_t>(end)});
}

/// The turn's last words: final states of its chunks and of itself.
void generation_state::commit_end() {
  closing = true;
  plan.record.state = *end_state();
  plan.record.positions = log.size();
  std::vector<write_op> ops{put_conversation{plan.record}};
  for (auto i = first_written; i < log.chunks().size(); ++i)
    ops.push_back(put_chunk{plan.record.id, i, log.chunk(i), {}, nullptr});
  write(std::move(ops), [this](const result<ops_written>& outcome) {
    durable = clock::now();
    if (outcome && !not_durable)
      self->send(plan.view->catalog,
                 positions_made_durable{plan.record.id, log.size()});
    serve_all();
  });
}

/// After the text: the last commit, and when everybody is served the end.
void generation_state::end_when_served() {
  if (!finished) return;
  tell_followers();
  if (!closing && outstanding == 0) {
    if (came_to_nothing()) {
      closing = true;
    } else {
      commit_end();
    }
  }
  if (!(closing && drained() && watched)) return;
  auto served = [](const viewer& v) { return v.served; };
  if (std::all_of(viewers.begin(), viewers.end(), served)) return self->quit();
  // A viewer that takes nothing must not keep a finished turn for ever: it
  // reads the rest from the catalog.
  if (std::exchange(ending, true)) return;
  self->delayed_send(self, plan.abandon_after, end_due{});
}

void generation_state::write(
    std::vector<write_op> ops,
    std::function<void(const result<ops_written>&)> then) {
  ++outstanding;
  self->request(plan.view->disk, caf::infinite,
                write_ops{std::make_shared<const std::vector<write_op>>(
                    std::move(ops))})
      .then(
          [this, then](const result<ops_written>& outcome) {
            --outstanding;
            if (!outcome) lose_durability(outcome.error());
            then(outcome);
            end_when_served();
          },
          [this, then](const caf::error& e) {
            --outstanding;
            auto why = gone("disk", e);
            lose_durability(why);
            then(fail(why.code, why.context));
            end_when_served();
          });
}

void generation_state::mark(std::uint32_t index, const digest& chunk_name,
                            std::optional<presence> activations,
                            std::optional<presence> records) {
  mark_chunk m{plan.record.id, index, chunk_name, activations, records};
  note(m);
  self->send(plan.view->catalog, m);
}

void generation_state::note(const mark_chunk& m) {
  if (m.index >= log.chunks().size()) return;
  auto& chunk = log.chunk(m.index);
  if (chunk.name != m.name) return;
  if (m.activations) mark_activations(chunk, *m.activations, m.only);
  if (m.lens) chunk.lens = *m.lens;
}

caf::result<acknowledgement> generation_state::pin(bool pinned) {
  plan.record.pinned = pinned;
  using promise_type = caf::typed_response_promise<acknowledgement>;
  auto promise = self->make_response_promise<promise_type>();
  write({put_conversation{plan.record}},
        [promise](const result<ops_written>& outcome) mutable {
          promise.deliver(outcome ? acknowledgement(acknowledged{})
                                  : failed_with<acknowledged>(outcome.error()));
        });
  return promise;
}

void generation_state::lose_durability(const error& why) {
  if (!not_durable) not_durable = why;
}

}  // namespace lamina

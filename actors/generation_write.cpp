// The write path of a turn: when chunks are sealed, with what lens records, and
// how the turn ends. What follows for a sealed chunk is conversation_writer's.
#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/generation.hpp"

namespace lamina {

std::optional<turn_state> generation_state::end_state() const {
  if (came_to_nothing()) return std::nullopt;
  if (failure) return turn_state::failed;
  const bool ended_early =
      reason == finish_reason::cancelled || reason == finish_reason::unloaded;
  return ended_early ? turn_state::cancelled : turn_state::complete;
}

/// The rows of a chunk are complete, or all there will be.
void generation_state::seal(std::uint32_t index, const ready_rows& ready) {
  // A chunk before this one may have lost its rows; it goes without.
  for (; sealed_next < index; ++sealed_next)
    seal_without_rows(sealed_next);
  if (is_full(ready)) {
    drop(index, ready);
  } else {
    in_flight_bytes += ready.chunk->bytes();
    encode(index, ready);
  }
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
  self->send(view->shard_of(chunk.name), discard_rows{chunk.name});
  if (sequence)
    self->send(plan.hosted.actor,
               return_credit{*sequence, ready.chunk->bytes()});
  seal_without_rows(index);
  commit_sealed();
}

/// One chunk at a time: rows that wait to be learned from take memory. Those
/// that come meanwhile are passed over.
void generation_state::without_book(const digest& chunk_name,
                                    const ready_rows& ready) {
  if (std::exchange(teaching, true)) return;
  self->request(view->book_learner, caf::infinite,
                learn_rows{record.root, chunk_name, ready})
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
  self->request(view->lens_backlog, caf::infinite,
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
  self->send(view->shard_of(chunk_name),
             publish_lens{chunk_name, first, records});
  lens_done(index);
  auto block = make_lens_block(records->layers);
  merge(block, first, *records);
  keep_lens(index, std::move(block));
  end_when_served();
}

/// Without capture a chunk is complete when its tokens are.
void generation_state::seal_uncaptured() {
  for (; first_position(sealed_next + 1) <= log.size(); ++sealed_next)
    seal_without_rows(sealed_next);
  commit_sealed();
}

/// The open tail of a turn without capture, and chunks whose rows never came.
void generation_state::flush_uncaptured() {
  for (; sealed_next < log.chunks().size(); ++sealed_next)
    seal_without_rows(sealed_next);
  commit_sealed();
}

/// After the text: the last commit, and when everybody is served the end.
void generation_state::end_when_served() {
  if (!finished) return;
  tell_followers();
  if (!closing && outstanding == 0) {
    if (came_to_nothing())
      closing = true;
    else
      commit_end([this] {
        durable = clock::now();
        serve_all();
      });
  }
  if (!(closing && drained() && watched)) return;
  auto served = [](const viewer& v) { return v.served; };
  if (std::all_of(viewers.begin(), viewers.end(), served)) return self->quit();
  // A viewer that takes nothing must not keep a finished turn for ever: it
  // reads the rest from the catalog.
  if (std::exchange(ending, true)) return;
  self->delayed_send(self, plan.abandon_after, end_due{});
}

void generation_state::ask_codec(const codec_actor& whom, encode_rows command,
                                 encoded_handler then) {
  self->request(whom, caf::infinite, std::move(command))
      .then([then](const rows_encoded& values) { then(values); },
            [then](const caf::error& e) { then(no_answer_from("codec", e)); });
}

void generation_state::ask_disk(const disk_actor& whom, write_ops command,
                                written_handler then) {
  self->request(whom, caf::infinite, std::move(command))
      .then([then](const result<ops_written>& outcome) { then(outcome); },
            [then](const caf::error& e) { then(no_answer_from("disk", e)); });
}

void generation_state::credit_returned(std::uint64_t bytes) {
  in_flight_bytes -= bytes;
  if (sequence) self->send(plan.hosted.actor, return_credit{*sequence, bytes});
}

caf::result<acknowledgement> generation_state::amend(const amend_turn& m) {
  using promise_type = caf::typed_response_promise<acknowledgement>;
  auto promise = self->make_response_promise<promise_type>();
  amend_record(m, [promise](const acknowledgement& done) mutable {
    promise.deliver(done);
  });
  return promise;
}

}  // namespace lamina

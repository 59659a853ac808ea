#include "actors/import.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <cmath>
#include <utility>

#include "actors/catalog.hpp"
#include "actors/messages/catalog.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/messages/shard.hpp"
#include "actors/messages/turn.hpp"
#include "actors/view.hpp"
#include "protocol/id_text.hpp"
#include "protocol/limits.hpp"

namespace lamina {

import_state::~import_state() {
  for (auto* promises : {&waiting, &ending})
    for (auto& promise : *promises)
      promise.deliver(failed_with<import_progress>(
          {error_code::unavailable, "the import ended"}));
}

void import_state::start(import_plan plan) {
  record = std::move(plan.record);
  record.state = turn_state::running;
  declared = std::move(plan.declared);
  view = std::move(plan.view);
  kept = declared.kept;
  log = turn_log(record.id, record.root, {}, {true, lens_mode::on_demand});
  begin_at(0);
  gatherer.emplace(declared.shape, declared.sites);
  // One chunk on its way and one being filled, whatever their size.
  const std::uint64_t chunk_bytes =
      declared.shape.slots() * chunk_positions * declared.shape.row_bytes();
  in_flight_bytes_max = std::max(plan.in_flight_bytes_max, 2 * chunk_bytes);
  session = caf::actor_cast<caf::actor_addr>(plan.session);
  self->monitor(plan.session);
}

import_progress import_state::progress() const {
  import_progress p;
  p.conversation = record.id;
  p.positions = log.size();
  if (stored_next > 0)
    p.durable_positions =
        static_cast<position_t>(first_position(stored_next - 1) +
                                log.chunk(stored_next - 1).tokens.size());
  p.durable = closing && outstanding == 0 && !not_durable;
  p.not_durable = not_durable;
  p.dropped_positions = dropped_positions;
  return p;
}

// ---- what may come ----------------------------------------------------------

std::optional<error> import_state::refusal(const caf::actor_addr& asker) const {
  if (asker != session)
    return error{error_code::conversation_busy,
                 "another connection brings " + conversation_text(record.id)};
  if (finished)
    return error{error_code::not_found, "nothing is being brought to " +
                                            conversation_text(record.id) +
                                            " any more"};
  return std::nullopt;
}

std::optional<error> import_state::wrong_with(const bring_rows& m) const {
  auto bad = [](std::string what) {
    return error{error_code::invalid_argument, std::move(what)};
  };
  if (m.tokens.empty()) return bad("a frame without tokens");
  if (m.begin != log.size())
    return error{error_code::out_of_range,
                 "positions from " + std::to_string(m.begin) +
                     " on were brought; those from " +
                     std::to_string(log.size()) + " on come next"};
  if (m.tokens.size() > limits::positions_max - log.size())
    return error{error_code::limit_exceeded,
                 "more than " + std::to_string(limits::positions_max) +
                     " positions in one conversation"};
  const auto rows = m.rows ? m.rows->size() : 0;
  if (auto fits = gatherer->check(m.tokens.size(), rows); !fits)
    return fits.error();
  if (!(m.relative_error >= 0 && std::isfinite(m.relative_error)))
    return bad("the rows' relative error is no number from 0 on");
  if (m.relative_error > 0 && is_lossy(declared.kept))
    return bad("rows that have an error already are kept losslessly, not as " +
               std::string(lamina::to_string(declared.kept)));
  auto turn = log.size() == 0 ? 0 : log.token(log.size() - 1).turn;
  for (std::size_t i = 0; i < m.tokens.size(); ++i) {
    const auto& token = m.tokens[i];
    const auto at = "the token at " + std::to_string(m.begin + i);
    if (lamina::to_string(token.who) == "unknown")
      return bad(at + " has the role " +
                 std::to_string(static_cast<int>(token.who)));
    if (token.turn < turn)
      return bad(at + " belongs to an earlier turn than the one before it");
    if (token.bytes.size() > limits::brought_token_bytes_max)
      return error{error_code::limit_exceeded,
                   at + " has more than " +
                       std::to_string(limits::brought_token_bytes_max) +
                       " bytes"};
    turn = token.turn;
  }
  return std::nullopt;
}

std::optional<error> import_state::wrong_with(const lens_rows& records) const {
  if (records.layers != declared.shape.layers)
    return error{error_code::invalid_argument,
                 "lens records of another number of layers"};
  const auto end = records.first + records.count();
  if (end > log.size())
    return error{error_code::out_of_range, "lens records up to position " +
                                               std::to_string(end) + "; only " +
                                               std::to_string(log.size()) +
                                               " positions were brought"};
  return std::nullopt;
}

// ---- rows -------------------------------------------------------------------

caf::result<import_result> import_state::bring(const bring_rows& m) {
  if (auto no = refusal(m.session)) return failed_with<import_progress>(*no);
  if (auto wrong = wrong_with(m)) return failed_with<import_progress>(*wrong);
  take(m);
  if (in_flight_bytes <= in_flight_bytes_max) return import_result(progress());
  waiting.push_back(self->make_response_promise<progress_promise>());
  return waiting.back();
}

void import_state::take(const bring_rows& m) {
  const auto count = static_cast<std::uint32_t>(m.tokens.size());
  auto token = m.tokens.begin();
  for (const auto& part :
       gatherer->add(m.begin, count, m.rows, m.relative_error)) {
    const auto before =
        row_in_chunk(part.begin) == 0 ? digest{} : log.chunk(part.index).name;
    for (auto p = part.begin; p < part.end; ++p)
      log.append(*token++);
    if (part.index == 0) record.preview = preview_of(log.chunk(0));
    show(part, before);
    tail.reset();
    if (row_in_chunk(part.end) == 0)
      seal(part);
    else
      tail = part;
  }
  record.turns = m.tokens.back().turn + 1u;
  commit_sealed();
}

/// The chunk as readers see it from now on; `before`: what it was called.
void import_state::show(const chunk_gatherer::part& part,
                        const digest& before) {
  auto& chunk = log.chunk(part.index);
  if ((declared.sites & mask_of(site::embed)) == 0)
    chunk.embed = presence::never_asked;
  if ((declared.sites & mask_of(site::final_norm)) == 0)
    chunk.final_norm = presence::never_asked;
  if (!part.rows.chunk)
    chunk.embed = chunk.resid_post = chunk.final_norm = presence::never_asked;
  // Rows in flight pass for exact ones: those with an error show when encoded.
  if (part.rows.chunk && part.relative_error == 0)
    self->send(view->shard_of(chunk.name), publish_rows{chunk.name, part.rows});
  if (before != digest{} && (before != chunk.name || !part.rows.chunk))
    self->send(view->shard_of(before), discard_chunk{before});
  self->send(view->catalog, update_chunk{record.id, part.index, chunk});
}

void import_state::seal(const chunk_gatherer::part& part) {
  if (!part.rows.chunk) return seal_without_rows(part.index);
  in_flight_bytes += part.rows.chunk->bytes();
  encode(part.index, part.rows, part.relative_error);
}

void import_state::credit_returned(std::uint64_t bytes) {
  in_flight_bytes -= bytes;
  if (in_flight_bytes > in_flight_bytes_max) return;
  for (auto& promise : std::exchange(waiting, {}))
    promise.deliver(import_result(progress()));
}

// ---- lens records -----------------------------------------------------------

caf::result<import_result> import_state::bring(const bring_lens& m) {
  if (auto no = refusal(m.session)) return failed_with<import_progress>(*no);
  if (auto wrong = wrong_with(*m.records))
    return failed_with<import_progress>(*wrong);
  const auto end = m.records->first + m.records->count();
  for (auto index = chunk_of(m.records->first); first_position(index) < end;
       ++index) {
    auto block = make_lens_block(m.records->layers);
    merge(block, first_position(index), *m.records);
    const auto& chunk_name = log.chunk(index).name;
    self->send(view->shard_of(chunk_name),
               publish_lens_block{chunk_name,
                                  std::make_shared<const lens_block>(block)});
    auto& brought = lens_rows_brought[index];
    brought |= block.complete;
    const auto rows = (1u << log.chunk(index).tokens.size()) - 1;
    keep_lens(index, std::move(block), (rows & ~brought) == 0);
  }
  return import_result(progress());
}

// ---- the end ----------------------------------------------------------------

caf::result<import_result> import_state::end(const end_import& m) {
  if (auto no = refusal(m.session)) return failed_with<import_progress>(*no);
  if (log.size() == 0) {
    finish(turn_state::complete);
    return failed_with<import_progress>(
        {error_code::invalid_argument, "no token was brought"});
  }
  std::optional<caf::result<import_result>> reply;
  if (m.wait_durable) {
    ending.push_back(self->make_response_promise<progress_promise>());
    reply = ending.back();
  }
  finish(turn_state::complete);
  return reply ? std::move(*reply)
               : caf::result<import_result>(import_result(progress()));
}

void import_state::break_off() {
  if (!finished) finish(turn_state::interrupted);
}

void import_state::finish(turn_state as) {
  finished = true;
  if (log.size() > 0) ended_as = as;
  if (tail) seal(*std::exchange(tail, std::nullopt));
  commit_sealed();
  self->send(view->catalog, close_turn{record.id, ended_as, record.turns});
  settled();
}

void import_state::settled() {
  if (!finished || closing || outstanding != 0) return;
  if (log.size() == 0) return self->quit();
  commit_end([this] {
    for (auto& promise : std::exchange(ending, {}))
      promise.deliver(import_result(progress()));
    self->quit();
  });
}

// ---- as a chunk writer ------------------------------------------------------

void import_state::ask_codec(const codec_actor& whom, encode_rows command,
                             encoded_handler then) {
  self->request(whom, caf::infinite, std::move(command))
      .then([then](const rows_encoded& values) { then(values); },
            [then](const caf::error& e) { then(no_answer_from("codec", e)); });
}

void import_state::ask_disk(const disk_actor& whom, write_ops command,
                            written_handler then) {
  self->request(whom, caf::infinite, std::move(command))
      .then([then](const result<ops_written>& outcome) { then(outcome); },
            [then](const caf::error& e) { then(no_answer_from("disk", e)); });
}

caf::result<acknowledgement> import_state::amend(const amend_turn& m) {
  using promise_type = caf::typed_response_promise<acknowledgement>;
  auto promise = self->make_response_promise<promise_type>();
  amend_record(m, [promise](const acknowledgement& done) mutable {
    promise.deliver(done);
  });
  return promise;
}

import_actor::behavior_type import(import_state::pointer self,
                                   std::shared_ptr<import_plan> plan) {
  auto& state = self->state;
  self->set_down_handler([&state](const caf::down_msg&) { state.break_off(); });
  state.start(std::move(*plan));
  return {
      [&state](const watch_turn&) -> watch_result {
        return fail(error_code::conversation_busy,
                    conversation_text(state.record.id) +
                        " is being brought: its tokens can be shown, there "
                        "is no turn to watch");
      },
      // Nothing is computed behind it: what there is of records is there.
      [&state](const follow_lens&) -> lens_grew {
        return {state.log.size(), true};
      },
      [](const leave_turn&) {},
      [&state](const cancel_turn&) { state.break_off(); },
      [&state](const mark_chunk& m) { state.note(m); },
      [&state](const view_changed& m) { state.view = m.view; },
      [&state](const amend_turn& m) { return state.amend(m); },
      [&state](const bring_rows& m) { return state.bring(m); },
      [&state](const bring_lens& m) { return state.bring(m); },
      [&state](const end_import& m) { return state.end(m); },
  };
}

}  // namespace lamina

// ReadLens: goes over a range, a chunk a round; follows a turn that is being
// written; completes what is kept.
#include <algorithm>
#include <utility>

#include "actors/messages/disk.hpp"
#include "actors/request_lens.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

/// Recomputed rows that wait in memory for their round.
constexpr std::size_t round_bytes_max = std::size_t{256} << 20;

std::optional<error> check(const wire::ReadLensT& r) {
  auto bad = [](std::string what) {
    return error{error_code::invalid_argument, std::move(what)};
  };
  if (r.top_k == 0 || r.top_k > limits::lens_top_k_max)
    return bad("top_k must be from 1 to " +
               std::to_string(limits::lens_top_k_max));
  if (r.position_end != 0 && r.position_end <= r.position_begin)
    return bad("positions " + std::to_string(r.position_begin) + " to " +
               std::to_string(r.position_end) + " are none");
  const bool kept = r.top_k <= lens_top_k && r.track.empty() &&
                    r.track_texts.empty() && r.lens.empty();
  if (r.backfill && (!kept || r.follow || !r.layers.empty()))
    return bad(
        "backfill completes what is kept: it takes no layers, no top_k beyond "
        "10, nothing to track, no lens and no follow");
  return std::nullopt;
}

}  // namespace

void lens_request_state::read_range() {
  auto read = read_conversation(range->conversation);
  if (!read) return stop(read.error());
  if (auto wrong = check(*range)) return stop(*wrong);
  asked_id = read.value();
  ask = {range->layers, range->top_k};
  cursor = range->position_begin;
  if (range->follow)
    follow_turn();
  else
    measure();
}

void lens_request_state::follow_turn() {
  self->request(ctx.view->catalog, caf::infinite, find_turn{ctx.who, asked_id})
      .then(
          [this](const result<turn_opened>& found) {
            if (!found) return stop(found.error());
            turn = found.value().generation;
            if (!turn) return measure();
            settled = false;
            self->monitor(turn);
            self->request(turn, caf::infinite,
                          follow_lens{lens_follower_actor(self)})
                .then(
                    [this](const lens_grew& now) {
                      grown = now.end;
                      settled = settled || now.settled;
                      measure();
                    },
                    [this](const caf::error&) {
                      turn_gone();
                      measure();
                    });
          },
          unavailable(self, ctx, "catalog"));
}

growth_taken lens_request_state::grew(const lens_grew& now) {
  grown = now.end;
  settled = settled || now.settled;
  if (std::exchange(waiting, false)) next_round();
  return {};
}

/// What it wrote is in the catalog.
void lens_request_state::turn_gone() {
  settled = true;
  if (std::exchange(waiting, false)) next_round();
}

/// How long the conversation is.
void lens_request_state::measure() {
  self->request(ctx.view->catalog, caf::infinite,
                locate_positions{ctx.who, asked_id, {}, 0})
      .then(
          [this](const locate_result& found) {
            if (!found) return stop(found.error());
            measured(*found.value());
          },
          unavailable(self, ctx, "catalog"));
}

void lens_request_state::measured(const positions_located& found) {
  if (ended) return;
  const bool first = !std::exchange(measured_once, true);
  if (first)
    if (auto wrong = take_record(found.record)) return stop(*wrong);
  if (range->backfill && found.running)
    return stop({error_code::conversation_busy,
                 "a turn of it is being written: its records come with it"});
  const auto begin = range->position_begin;
  const auto wanted =
      range->position_end != 0 ? range->position_end : found.size;
  if (!range->follow && (wanted > found.size || wanted <= begin))
    return stop({error_code::out_of_range,
                 "positions from " + std::to_string(begin) + " to " +
                     std::to_string(wanted) + " are asked for, " +
                     std::to_string(found.size) + " exist"});
  if (settled) range_end = std::max(std::min(wanted, found.size), begin);
  if (first && wants_readout()) return prepare_readout();
  next_round();
}

/// How a position rated its successor is part of an answer. So while the turn
/// runs, the last position whose record is there has to wait.
position_t lens_request_state::limit() const {
  if (range_end) return *range_end;
  const auto rated = grown == 0 ? 0 : grown - 1;
  return range->position_end == 0 ? rated
                                  : std::min(rated, range->position_end);
}

void lens_request_state::next_round() {
  if (ended) return;
  if (settled && !range_end) return measure();
  if (cursor >= limit()) {
    if (range_end ||
        (range->position_end != 0 && cursor >= range->position_end))
      return finish_range();
    waiting = true;
    return;
  }
  relocated = false;
  locate_positions where{ctx.who, asked_id, {}, 0};
  const auto round_end =
      std::min(limit(), first_position(chunk_of(cursor) + 1));
  for (auto p = cursor; p < round_end; ++p)
    where.positions.push_back(p);
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this](const locate_result& found) {
            if (!found) return stop(found.error());
            round_located(*found.value());
          },
          unavailable(self, ctx, "catalog"));
}

void lens_request_state::round_located(const positions_located& found) {
  running = found.running;
  group_positions(found);
  if (query)
    load_readout_rows();
  else
    find_block();
}

/// The chunk's name may have changed since the round began.
void lens_request_state::relocate() {
  relocated = true;
  locate_positions where{ctx.who, record.id, {}, 0};
  for (const auto& at : groups[current].positions)
    where.positions.push_back(at.position);
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this](const locate_result& found) {
            if (!found) return stop(found.error());
            const auto& now = found.value()->positions;
            const auto& group = groups[current];
            if (now.front().name == group.front().name &&
                now.back().next_name == group.back().next_name)
              return load_exact_rows();
            group_positions(*found.value());
            find_block();
          },
          unavailable(self, ctx, "catalog"));
}

/// Recomputation starts at the conversation's beginning each time: it goes as
/// far ahead as memory allows.
position_t lens_request_state::recomputed_end(position_t wanted) const {
  if (!range_end) return wanted;
  const auto row_bytes = record.shape.slots() * record.shape.row_bytes();
  const auto ahead = std::min<std::size_t>(
      std::max<std::size_t>(round_bytes_max / row_bytes, chunk_positions),
      *range_end);
  return std::max(
      wanted, std::min(*range_end, cursor + static_cast<position_t>(ahead)));
}

void lens_request_state::round_done() {
  const auto& group = groups[current];
  cursor = group.back().position + 1;
  positions_done += static_cast<std::uint32_t>(group.positions.size());
  if (range->backfill) return write_round();
  auto answer = part();
  for (const auto& at : group.positions)
    answer.positions.push_back(
        std::make_unique<wire::LensPositionT>(position(at)));
  send_part(std::move(answer));
}

void lens_request_state::write_round() {
  if (unwritten.empty()) return send_part(part());
  auto ops = std::make_shared<std::vector<write_op>>();
  for (auto& block : std::exchange(unwritten, {}))
    ops->push_back(std::move(block));
  self->request(ctx.view->disk, caf::infinite, write_ops{std::move(ops)})
      .then(
          [this](const result<ops_written>& written) {
            if (!written) return stop(written.error());
            for (const auto& found : std::exchange(unconfirmed, {}))
              self->send(ctx.view->catalog, found);
            send_part(part());
          },
          unavailable(self, ctx, "disk"));
}

void lens_request_state::send_part(wire::LensResultT answer) {
  if (ended) return;
  send_response(self, ctx, frame_kind::response, make_body(std::move(answer)),
                {}, [this] { next_round(); });
}

void lens_request_state::finish_range() {
  ended = true;
  auto answer = part();
  answer.last = true;
  send_terminal(self, ctx, make_body(std::move(answer)));
}

}  // namespace lamina

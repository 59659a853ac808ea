#include "actors/request_lens.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "actors/messages/lens.hpp"
#include "actors/messages/prefetch.hpp"
#include "actors/messages/restorer.hpp"
#include "actors/messages/session.hpp"
#include "actors/messages/shard.hpp"
#include "actors/rows.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

/// A range of no more positions is computed like a click.
constexpr position_t few = 4;

std::optional<error> check(const wire::GetLensT& ask) {
  if (ask.positions.empty())
    return error{error_code::invalid_argument, "no position is asked for"};
  if (ask.positions.size() > limits::lens_positions_max)
    return error{error_code::limit_exceeded,
                 "more than " + std::to_string(limits::lens_positions_max) +
                     " positions in one request"};
  if (ask.context_size > limits::lens_context_max)
    return error{error_code::limit_exceeded,
                 "more than " + std::to_string(limits::lens_context_max) +
                     " tokens of context"};
  if (ask.top_k == 0 || ask.top_k > lens_top_k)
    return error{error_code::invalid_argument,
                 "top_k must be from 1 to " + std::to_string(lens_top_k)};
  return std::nullopt;
}

/// Brought rows are read by the head of the very model that they say they are
/// of, with its weights as they are; they are never computed again.
bool reads_brought(const model& loaded, const conversation_record& record) {
  const auto shape = loaded.shape();
  return record.is_brought() &&
         loaded.origin().model_fingerprint == record.fingerprint &&
         loaded.description().weights == weight_format::stored &&
         shape.layers == record.shape.layers &&
         shape.width == record.shape.width;
}

}  // namespace

void lens_request_state::stop(const error& e) {
  if (std::exchange(ended, true)) return;
  send_error(self, ctx, e);
}

/// Whether somebody waits for each of its positions.
bool lens_request_state::is_click() const {
  if (!range)
    return ctx.body->AsGetLens()->positions.size() <= click_positions_max;
  return !range->backfill && range->position_end > range->position_begin &&
         range->position_end - range->position_begin <= click_positions_max;
}

void lens_request_state::run() {
  range = ctx.body->AsReadLens();
  if (range)
    read_range();
  else
    click();
}

void lens_request_state::click() {
  const auto& asked = *ctx.body->AsGetLens();
  auto id = read_conversation(asked.conversation);
  if (!id) return stop(id.error());
  if (auto wrong = check(asked)) return stop(*wrong);
  ask = {asked.layers, asked.top_k};
  locate_positions where;
  where.who = ctx.who;
  where.conversation = id.value();
  where.positions = asked.positions;
  std::sort(where.positions.begin(), where.positions.end());
  where.positions.erase(
      std::unique(where.positions.begin(), where.positions.end()),
      where.positions.end());
  where.context = asked.context_size;
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this](const locate_result& found) {
            if (!found) return stop(found.error());
            located(*found.value());
          },
          unavailable(self, ctx, "catalog"));
}

void lens_request_state::located(const positions_located& found) {
  if (auto wrong = take_record(found.record)) return stop(*wrong);
  context = found.context;
  group_positions(found);
  self->send(ctx.view->prefetch,
             warm_neighbours{ctx.who, record.id,
                             found.positions.front().position, false});
  find_block();
}

/// Whose conversation it is, and whether the layers asked for exist.
std::optional<error> lens_request_state::take_record(
    const conversation_record& found) {
  record = found;
  auto hosted = ctx.view->models.find(record.model);
  if (hosted != ctx.view->models.end() && hosted->second.model &&
      (root_of(hosted->second.model->origin()) == record.root ||
       reads_brought(*hosted->second.model, record))) {
    model = hosted->second.model;
    kept = hosted->second.kept;
  }
  int layer_count = static_cast<int>(record.shape.layers);
  if (ask.layers.size() > record.shape.layers + 1)
    return error{error_code::limit_exceeded,
                 "a layer is asked for more than once"};
  for (auto index : ask.layers)
    if (index < embed_layer || index >= layer_count)
      return error{error_code::out_of_range,
                   "layer " + std::to_string(index) +
                       " does not exist: -1 to " +
                       std::to_string(layer_count - 1) + " do"};
  return std::nullopt;
}

void lens_request_state::group_positions(const positions_located& found) {
  groups.clear();
  current = 0;
  for (const auto& at : found.positions) {
    if (groups.empty() || groups.back().front().chunk != at.chunk)
      groups.emplace_back();
    groups.back().positions.push_back(at);
  }
}

void lens_request_state::find_block() {
  auto& group = groups[current];
  const auto& at = group.front();
  self->request(ctx.view->shard_of(at.name), caf::infinite,
                find_lens{at.name, group.rows_read(), is_click()})
      .then(
          [this](const lens_found& found) {
            auto& g = groups[current];
            g.block = found.block;
            g.source = found.source;
            g.failure = found.failure;
            if (g.needs_next())
              find_next_block();
            else
              answer_or_compute();
          },
          unavailable(self, ctx, "shard"));
}

/// Without the model, an answer that lacks ratings is the best there is.
void lens_request_state::answer_or_compute() {
  const auto& group = groups[current];
  if (group.complete() && (group.rated() || !model)) return send_group();
  // A tail that was filled since has another name.
  if (running && !relocated) return relocate();
  load_exact_rows();
}

void lens_request_state::find_next_block() {
  const auto& next = *groups[current].back().next_name;
  self->request(ctx.view->shard_of(next), caf::infinite,
                find_lens{next, 1, is_click()})
      .then(
          [this](const lens_found& found) {
            auto& g = groups[current];
            g.next = found.block;
            answer_or_compute();
          },
          unavailable(self, ctx, "shard"));
}

load_rows lens_request_state::rows_of(const digest& chunk, std::uint32_t index,
                                      std::uint32_t begin,
                                      std::uint32_t end) const {
  auto load = load_rows::of(record, chunk, index, begin, end);
  // embed and resid_post of each layer
  load.slots.resize(record.shape.layers + 1);
  std::iota(load.slots.begin(), load.slots.end(), 0u);
  load.exact = true;
  load.session = ctx.session.id();
  load.urgent = is_click();
  // The last one is rated by its next token's row.
  const auto& last = groups.back().back();
  load.position_end = last.position + (last.next ? 2 : 1);
  if (range) load.position_end = recomputed_end(load.position_end);
  return load;
}

/// An answer that lacks no more than ratings is still one.
void lens_request_state::give_up(const error& why) {
  if (groups[current].complete()) return send_group();
  stop(why);
}

/// Records are missing: they come from the exact rows of the residual stream.
void lens_request_state::load_exact_rows() {
  auto& group = groups[current];
  if (!model) {
    const error missing{error_code::not_found, "none are kept"};
    const auto& why = group.failure.value_or(missing);
    return stop({why.code, "the lens records of position " +
                               std::to_string(group.front().position) +
                               " cannot be read (" + why.context +
                               "), and the model '" + record.model +
                               "' that made it is not loaded"});
  }
  const auto& at = group.front();
  auto load = rows_of(at.name, at.chunk, row_in_chunk(at.position),
                      row_in_chunk(group.back().position) + 1);
  // The last one's rating takes the row behind it.
  load.rows_behind = group.back().next ? 1 : 0;
  load.restore = at.activations != presence::never_asked;
  load.kept = kept;
  // A rating is not worth a prefill, but while a turn runs its rows are there
  // unless they were renamed this moment.
  load.stored_only = group.complete() && !running;
  ask_rows(
      std::move(load), [this](const rows_loaded& loaded) { take_rows(loaded); },
      [this](const error& why) { give_up(why); });
}

void lens_request_state::ask_rows(load_rows load,
                                  std::function<void(const rows_loaded&)> then,
                                  std::function<void(const error&)> otherwise) {
  if (!rows_source) {
    auto source = self->spawn<caf::linked>(rows, ctx.view);
    rows_source = rows_actor(source);
  }
  self->request(rows_source, caf::infinite, std::move(load))
      .then(
          [this, then = std::move(then), otherwise = std::move(otherwise)](
              const result<rows_loaded>& loaded) {
            if (ended) return;
            if (!loaded) return otherwise(loaded.error());
            then(loaded.value());
          },
          unavailable(self, ctx, "rows actor"));
}

void lens_request_state::take_rows(const rows_loaded& loaded) {
  auto& group = groups[current];
  // Records of exact rows are better than those of rows with an error.
  if (group.complete() && loaded.relative_error != 0) return send_group();
  group.source = loaded.source;
  group.relative_error = loaded.relative_error;
  if (range && range->backfill && loaded.relative_error != 0)
    return stop({error_code::unavailable,
                 "records are of exact activations only, and those from "
                 "position " +
                     std::to_string(group.front().position) +
                     " on could not be recomputed"});
  compute(as_chunk(*loaded.rows));
}

/// Bulk work is done when a core is idle, a few positions at once.
const lens_actor& lens_request_state::worker() const {
  const bool bulk =
      range && (!range_end || *range_end - range->position_begin > few);
  return bulk ? ctx.view->lens_backlog : ctx.view->lens_clicks;
}

void lens_request_state::compute(const ready_rows& ready) {
  auto& group = groups[current];
  auto input = std::make_shared<lens_input>();
  auto begin = row_in_chunk(group.front().position);
  auto end = row_in_chunk(group.back().position) + 1;
  input->rows = {ready.chunk, begin, end};
  self->request(ctx.view->catalog, caf::infinite,
                get_token_ids{record.id, group.back().position + 1})
      .then(
          [this, input, ready](const token_ids_result& ids) {
            if (!ids) return give_up(ids.error());
            auto& g = groups[current];
            auto first = ids.value().begin() + g.front().position;
            input->tokens.assign(first, ids.value().end());
            self->request(worker(), caf::infinite,
                          compute_lens_rows{model, input, range != nullptr})
                .then(
                    [this, ready](const lens_computed& computed) {
                      if (!computed) return give_up(computed.error());
                      auto& answered = groups[current];
                      const auto& at = answered.front();
                      store(at.chunk, at.name, answered.block,
                            computed.value());
                      compute_rating(ready);
                    },
                    unavailable(self, ctx, "lens actor"));
          },
          unavailable(self, ctx, "catalog"));
}

/// How the last position rates the token after it takes that token's row: the
/// next one of this chunk, or the first one of the next chunk.
void lens_request_state::compute_rating(const ready_rows& ready) {
  auto& group = groups[current];
  const auto& at = group.back();
  if (!at.next) return send_group();
  auto row = row_in_chunk(at.position + 1);
  const auto& block = at.next_name ? group.next : group.block;
  if (block && (block->rated >> row & 1u) != 0) return send_group();
  if (at.next_name) return load_next_row(ready);
  if (row >= ready.end) return send_group();
  auto input = std::make_shared<lens_input>();
  input->rows = {ready.chunk, row - 1, row + 1};
  input->tokens = {at.token.token.id, at.next->token.id};
  rate_next(std::move(input));
}

void lens_request_state::load_next_row(const ready_rows& ready) {
  const auto& at = groups[current].back();
  auto load = rows_of(*at.next_name, at.chunk + 1, 0, 1);
  load.stored_only = groups[current].source != answer_source::recomputed;
  ask_rows(
      std::move(load),
      [this, ready](const rows_loaded& loaded) { rate_by(loaded, ready); },
      [this, ready](const error&) {
        // Without that row the answer is complete but for the rating.
        if (!running) return send_group();
        load_renamed_row(ready);
      });
}

/// The tail of a running turn takes another name when it is full, and that may
/// be while this one's records were computed.
void lens_request_state::load_renamed_row(const ready_rows& ready) {
  locate_positions where{ctx.who, record.id, {}, 0};
  where.positions.push_back(groups[current].back().position);
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this, ready](const locate_result& found) {
            if (!found || !found.value()->positions.back().next_name)
              return send_group();
            auto& at = groups[current].positions.back();
            at = found.value()->positions.back();
            ask_rows(
                rows_of(*at.next_name, at.chunk + 1, 0, 1),
                [this, ready](const rows_loaded& loaded) {
                  rate_by(loaded, ready);
                },
                [this](const error&) { send_group(); });
          },
          unavailable(self, ctx, "catalog"));
}

/// By the next chunk's first row.
void lens_request_state::rate_by(const rows_loaded& first,
                                 const ready_rows& ready) {
  if (first.relative_error != 0) return send_group();
  auto input = std::make_shared<lens_input>();
  input->rows = as_chunk(*first.rows);
  input->predecessor = ready;
  input->tokens = {groups[current].back().next->token.id};
  rate_next(std::move(input));
}

void lens_request_state::rate_next(std::shared_ptr<const lens_input> input) {
  self->request(worker(), caf::infinite,
                compute_lens_rows{model, std::move(input), range != nullptr})
      .then(
          [this](const lens_computed& computed) {
            auto& group = groups[current];
            const auto& at = group.back();
            if (computed && at.next_name)
              store(at.chunk + 1, *at.next_name, group.next, computed.value());
            else if (computed)
              store(at.chunk, at.name, group.block, computed.value());
            send_group();
          },
          unavailable(self, ctx, "lens actor"));
}

/// Keeps what was computed: in this answer, in memory and on disk.
void lens_request_state::store(std::uint32_t index, const digest& chunk,
                               lens_block_ptr& into,
                               const lens_rows_ptr& computed) {
  auto block = std::make_shared<lens_block>(
      into ? *into : make_lens_block(record.shape.layers));
  const auto there = block->complete;
  merge(*block, first_position(index), *computed);
  positions_computed +=
      static_cast<std::uint32_t>(std::popcount(block->complete & ~there));
  into = block;
  // Records are of exact activations only.
  if (groups[current].relative_error != 0) return;
  self->send(ctx.view->shard_of(chunk), publish_lens_block{chunk, block});
  if (range && range->backfill) {
    unwritten.push_back({chunk, block});
    unconfirmed.push_back({record.id, index, chunk, block->complete,
                           std::nullopt, presence::present});
    return;
  }
  self->send(ctx.view->restorer, restore_lens{record.id, index, chunk, block});
}

request_actor spawn_lens_request(caf::actor_system& sys, request_context ctx) {
  using pointer = lens_request_state::pointer;
  return sys.spawn(
      [](pointer self,
         request_context given) -> lens_request_self::behavior_type {
        auto& state = self->state;
        state.ctx = std::move(given);
        self->set_down_handler(
            [&state](const caf::down_msg&) { state.turn_gone(); });
        state.run();
        return {
            [&state](const cancel_request&) {
              state.stop({error_code::cancelled, "cancelled by the client"});
            },
            [&state](const lens_grew& m) { return state.grew(m); },
        };
      },
      std::move(ctx));
}

}  // namespace lamina

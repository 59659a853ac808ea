#include "actors/request_lens.hpp"

#include <algorithm>
#include <utility>

#include "actors/rows.hpp"

namespace lamina {
namespace {

std::optional<error> check(const wire::GetLensT& ask) {
  if (ask.positions.empty())
    return error{error_code::invalid_argument, "no position is asked for"};
  if (ask.positions.size() > limits::lens_positions_max)
    return error{error_code::limit_exceeded,
                 "more than " + std::to_string(limits::lens_positions_max) +
                     " positions in one request"};
  if (ask.top_k == 0 || ask.top_k > lens_top_k)
    return error{error_code::invalid_argument,
                 "top_k must be from 1 to " + std::to_string(lens_top_k)};
  return std::nullopt;
}

}  // namespace

void lens_request_state::run() {
  ask = ctx.body->AsGetLens();
  auto id = read_conversation(ask->conversation);
  if (!id) return stop(id.error());
  if (auto wrong = check(*ask)) return stop(*wrong);
  locate_positions where;
  where.uid = ctx.uid;
  where.conversation = id.value();
  where.positions = ask->positions;
  std::sort(where.positions.begin(), where.positions.end());
  where.positions.erase(
      std::unique(where.positions.begin(), where.positions.end()),
      where.positions.end());
  where.context = ask->context_size;
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this](const locate_result& found) {
            if (!found) return stop(found.error());
            located(*found.value());
          },
          unavailable(self, ctx, "catalog"));
}

void lens_request_state::located(const positions_located& found) {
  record = found.record;
  context = found.context;
  auto hosted = ctx.view->models.find(record.model);
  if (hosted != ctx.view->models.end() && hosted->second.model &&
      root_of(hosted->second.model->origin()) == record.root) {
    model = hosted->second.model;
    kept = hosted->second.kept;
  }
  int layers = static_cast<int>(record.shape.layers);
  if (ask->layers.size() > record.shape.layers + 1)
    return stop(
        {error_code::limit_exceeded, "a layer is asked for more than once"});
  for (auto index : ask->layers)
    if (index < embed_layer || index >= layers)
      return stop({error_code::out_of_range, "layer " + std::to_string(index) +
                                                 " does not exist: -1 to " +
                                                 std::to_string(layers - 1) +
                                                 " do"});
  for (const auto& at : found.positions) {
    if (groups.empty() || groups.back().front().chunk != at.chunk)
      groups.emplace_back();
    groups.back().positions.push_back(at);
  }
  self->send(ctx.view->prefetch,
             warm_neighbours{ctx.uid, record.id,
                             found.positions.front().position, false});
  find_block();
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
  if (group.complete() && (group.rated() || !model))
    send_group();
  else
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
  load.keys = value_keys(chunk, site::embed, record.shape);
  auto residuals = value_keys(chunk, site::resid_post, record.shape);
  load.keys.insert(load.keys.end(), residuals.begin(), residuals.end());
  load.exact = true;
  load.urgent = is_click();
  load.position_end = groups.back().back().position + 1;
  return load;
}

/// Records are missing: they come from the exact rows of the residual stream.
void lens_request_state::load_exact_rows() {
  auto& group = groups[current];
  if (!model)
    return stop(
        {error_code::not_found, "no lens records are kept for position " +
                                    std::to_string(group.front().position) +
                                    ", and the model '" + record.model +
                                    "' that made it is not loaded"});
  if (!rows_source) {
    auto source = self->spawn<caf::linked>(rows, ctx.view);
    rows_source = rows_actor(source);
  }
  const auto& at = group.front();
  auto load = rows_of(at.name, at.chunk, row_in_chunk(at.position),
                      row_in_chunk(group.back().position) + 1);
  load.restore = at.activations != presence::never_asked;
  load.kept = kept;
  self->request(rows_source, caf::infinite, std::move(load))
      .then(
          [this](const result<rows_loaded>& loaded) {
            if (!loaded) return stop(loaded.error());
            groups[current].source = loaded.value().source;
            groups[current].relative_error = loaded.value().relative_error;
            compute(loaded.value().rows);
          },
          unavailable(self, ctx, "rows actor"));
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
            if (!ids) return stop(ids.error());
            auto& g = groups[current];
            auto first = ids.value().begin() + g.front().position;
            input->tokens.assign(first, ids.value().end());
            self->request(ctx.view->lens_clicks, caf::infinite,
                          compute_lens_rows{model, input})
                .then(
                    [this, ready](const lens_computed& computed) {
                      if (!computed) return stop(computed.error());
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
  self->request(rows_source, caf::infinite, std::move(load))
      .then(
          [this, ready](const result<rows_loaded>& loaded) {
            // Without that row the answer is complete but for the rating.
            if (!loaded || loaded.value().relative_error != 0)
              return send_group();
            auto input = std::make_shared<lens_input>();
            input->rows = {loaded.value().rows.chunk, 0, 1};
            input->predecessor = {ready.chunk, 0, chunk_positions};
            input->tokens = {groups[current].back().next->token.id};
            rate_next(std::move(input));
          },
          unavailable(self, ctx, "rows actor"));
}

void lens_request_state::rate_next(std::shared_ptr<const lens_input> input) {
  self->request(ctx.view->lens_clicks, caf::infinite,
                compute_lens_rows{model, std::move(input)})
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
  merge(*block, first_position(index), *computed);
  into = block;
  // Records are of exact activations only.
  if (groups[current].relative_error != 0) return;
  self->send(ctx.view->shard_of(chunk), publish_lens_block{chunk, block});
  self->send(ctx.view->restorer, restore_lens{record.id, index, chunk, block});
}

request_actor spawn_lens_request(caf::actor_system& sys, request_context ctx) {
  return spawn_request_of<lens_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

#include "actors/rows.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

std::uint32_t mask(std::uint32_t begin, std::uint32_t end) {
  return ((1u << end) - 1) & ~((1u << begin) - 1);
}

bool holds(const ready_rows& rows, const load_rows& wanted) {
  return rows.chunk && rows.begin <= wanted.row_begin &&
         rows.end >= wanted.row_end;
}

}  // namespace

rows_state::~rows_state() {
  if (reply)
    reply->deliver(result<rows_loaded>(
        fail(error_code::unavailable, "the request ended")));
}

void rows_state::answer(result<rows_loaded> loaded) {
  if (auto spare = std::exchange(inexact, std::nullopt); spare && !loaded)
    loaded = std::move(*spare);
  if (!reply) return;
  std::exchange(reply, std::nullopt)->deliver(std::move(loaded));
}

rows_loaded rows_state::take_recomputed(const ready_rows& ready) {
  if (wanted.restore)
    self->send(view->restorer, restore_rows{wanted.conversation, wanted.chunk,
                                            wanted.name, ready, wanted.kept});
  return {ready, answer_source::recomputed};
}

caf::result<result<rows_loaded>> rows_state::load(const load_rows& m) {
  wanted = m;
  if (auto it = recomputed.find(m.chunk);
      it != recomputed.end() && holds(it->second, m))
    return result<rows_loaded>(take_recomputed(it->second));
  reply = self->make_response_promise<promise>();
  if (m.recompute) {
    const auto pending = *reply;  // it may be answered at once
    recompute("they were asked for anew");
    return pending;
  }
  self->request(
          view->shard_of(m.name), caf::infinite,
          find_values{m.name, mask(m.row_begin, m.row_end), m.keys, m.urgent})
      .then(
          [this](const result<values_found>& values) {
            if (values)
              found(values.value());
            else
              recompute(lamina::to_string(values.error()));
          },
          [this](const caf::error& e) { recompute(caf::to_string(e)); });
  return *reply;
}

void rows_state::found(const values_found& values) {
  if (values.raw.chunk)
    return answer(rows_loaded{values.raw, answer_source::memory});
  for (const auto& value : values.values)
    if (!value || value->rows < wanted.row_end)
      return recompute("they are not stored");
  decode(values);
}

void rows_state::decode(const values_found& values) {
  decode_values command{wanted.name, wanted.shape, first_position(wanted.chunk),
                        values.values};
  const auto& codec = view->codec_of(wanted.name);
  // Before what a prefill has it encode, and what bulk reads have it decode.
  auto asked = wanted.urgent
                   ? self->request<caf::message_priority::high>(
                         codec, caf::infinite, std::move(command))
                   : self->request(codec, caf::infinite, std::move(command));
  std::move(asked).then(
      [this, source = values.source](const values_decoded& decoded) {
        if (decoded) return take_decoded(decoded.value(), source);
        self->send(view->supervisor,
                   damage_found{lamina::to_string(decoded.error())});
        self->send(view->catalog,
                   chunk_found{wanted.conversation, wanted.chunk, wanted.name,
                               0, presence::corrupt, std::nullopt});
        wanted.restore = true;
        recompute(lamina::to_string(decoded.error()));
      },
      [this](const caf::error& e) { recompute(caf::to_string(e)); });
}

void rows_state::take_decoded(const decoded_rows& decoded,
                              answer_source source) {
  rows_loaded loaded{decoded.rows, source, decoded.relative_error};
  if (loaded.relative_error == 0 || !wanted.exact)
    return answer(std::move(loaded));
  // The stored ones are better than none.
  wanted.restore = false;
  inexact = std::move(loaded);
  recompute("they are stored with an error");
}

/// `because`: why the stored rows are not enough, for the error if this fails.
void rows_state::recompute(const std::string& because) {
  auto hosted = view->models.find(wanted.model);
  if (hosted == view->models.end() || !hosted->second.actor ||
      root_of(hosted->second.model->origin()) != wanted.root)
    return answer(fail(
        error_code::not_found,
        "the activations of position " +
            std::to_string(first_position(wanted.chunk) + wanted.row_begin) +
            " cannot be read (" + because + "), and the model '" +
            wanted.model + "' that made them is not loaded"));
  auto model = hosted->second.actor;
  // What is stored again is stored whole: fewer rows would not take the place
  // of a damaged value.
  const auto rows_end = wanted.restore ? chunk_positions : wanted.row_end;
  self->request(
          view->catalog, caf::infinite,
          get_token_ids{wanted.conversation,
                        std::max(wanted.position_end,
                                 first_position(wanted.chunk) + rows_end)})
      .then(
          [this, model](const token_ids_result& ids) {
            if (!ids)
              return answer(fail(ids.error().code, ids.error().context));
            prefill(ids.value(), model);
          },
          [this](const caf::error& e) {
            answer(fail(error_code::unavailable,
                        "the catalog did not answer: " + caf::to_string(e)));
          });
}

void rows_state::prefill(std::vector<token_id> tokens,
                         const model_actor& model) {
  runner = model;
  auto request = std::make_shared<sequence_request>();
  request->conversation = wanted.conversation;
  request->tokens = std::move(tokens);
  request->capture_from = first_position(wanted.chunk);
  request->lens = lens_mode::on_demand;
  request->keep_cache = false;
  self->request(runner, caf::infinite,
                begin_sequence{request, sequence_sink(self)})
      .then(
          [this](const sequence_begun& begun) {
            if (!begun) answer(fail(begun.error().code, begun.error().context));
          },
          [this](const caf::error& e) {
            answer(fail(error_code::unavailable,
                        "the model did not answer: " + caf::to_string(e)));
          });
}

void rows_state::advance(const sequence_progress& p) {
  for (const auto& ready : p.rows) {
    if (ready.begin != 0) continue;
    recomputed[chunk_of(ready.chunk->first())] = ready;
    // Nothing is written, so nothing is in flight.
    if (ready.end == chunk_positions)
      self->send(runner, return_credit{p.sequence, ready.chunk->bytes()});
  }
  if (!p.finished) return;
  if (auto it = recomputed.find(wanted.chunk);
      it != recomputed.end() && holds(it->second, wanted))
    return answer(take_recomputed(it->second));
  answer(
      fail(error_code::internal, "the recomputation gave no rows for chunk " +
                                     std::to_string(wanted.chunk)));
}

rows_self::behavior_type rows(rows_state::pointer self, view_ptr view) {
  auto& state = self->state;
  state.view = std::move(view);
  return {
      [&state](const load_rows& m) { return state.load(m); },
      [&state](const sequence_advanced& m) { state.advance(*m.progress); },
      [&state](const sequence_failed& m) {
        state.answer(fail(m.reason.code, m.reason.context));
      },
  };
}

}  // namespace lamina

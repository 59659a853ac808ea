#include "actors/rows.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/messages/catalog.hpp"
#include "actors/messages/ledger.hpp"
#include "actors/messages/model.hpp"
#include "actors/messages/restorer.hpp"
#include "actors/messages/supervisor.hpp"
#include "actors/messages/tokens.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

std::uint32_t mask(std::uint32_t begin, std::uint32_t end) {
  return ((1u << end) - 1) & ~((1u << begin) - 1);
}

bool holds(const ready_rows& rows, const load_rows& wanted) {
  return rows.chunk && rows.begin <= wanted.row_begin &&
         rows.end >= wanted.row_end;
}

error no_answer(const std::string& who, const caf::error& e) {
  return {error_code::unavailable,
          "the " + who + " did not answer: " + caf::to_string(e)};
}

/// The stored values that hold these slots, each once.
std::vector<value_key> keys_of(const load_rows& wanted) {
  const std::uint32_t group = layers_per_value(wanted.shape);
  std::vector<value_key> keys;
  for (const std::uint32_t slot : wanted.slots) {
    const auto [at, layer] = site_layer_of(slot, wanted.shape.layers);
    keys.push_back(
        {wanted.name, at, static_cast<std::uint16_t>(layer - layer % group)});
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

/// A decoder does this much in about 0.2 ms, some times what asking it costs.
constexpr std::size_t share_bytes_min = 256 * 1024;

std::size_t shares_of(std::size_t raw_bytes, std::size_t values,
                      std::size_t decoders) {
  return std::clamp<std::size_t>(
      raw_bytes / share_bytes_min, 1,
      std::max<std::size_t>(1, std::min(values, decoders)));
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

/// Of so many rows that there are: those wanted, and what is wished behind.
std::uint32_t rows_state::row_end_of(std::uint32_t rows) const {
  return std::max(wanted.row_end,
                  std::min(rows, wanted.row_end + wanted.rows_behind));
}

rows_loaded rows_state::take_recomputed(const ready_rows& ready) {
  if (wanted.restore && restored.insert(wanted.chunk).second)
    self->send(view->restorer,
               restore_rows{wanted.conversation, wanted.chunk, wanted.name,
                            ready, wanted.kept, wanted.root});
  return {copy_rows(*ready.chunk, wanted.slots, wanted.row_begin,
                    row_end_of(ready.end)),
          answer_source::recomputed};
}

caf::result<result<rows_loaded>> rows_state::load(const load_rows& m) {
  wanted = m;
  recomputed.erase(recomputed.begin(), recomputed.lower_bound(m.chunk));
  if (auto it = recomputed.find(m.chunk);
      it != recomputed.end() && holds(it->second, m))
    return result<rows_loaded>(take_recomputed(it->second));
  reply = self->make_response_promise<promise>();
  if (m.recompute) {
    const auto pending = *reply;  // it may be answered at once
    recompute({error_code::not_found, "they were asked for anew"});
    return pending;
  }
  self->request(view->shard_of(m.name), caf::infinite,
                find_values{m.name, mask(m.row_begin, m.row_end),
                            keys_of(wanted), m.urgent})
      .then(
          [this](const result<values_found>& values) {
            if (values)
              found(values.value());
            else
              recompute(values.error());
          },
          [this](const caf::error& e) { recompute(no_answer("shard", e)); });
  return *reply;
}

void rows_state::found(const values_found& values) {
  if (const auto& raw = values.raw; raw.chunk)
    return answer(rows_loaded{copy_rows(*raw.chunk, wanted.slots,
                                        wanted.row_begin, row_end_of(raw.end)),
                              answer_source::memory});
  bool on_shelf = true;
  for (const auto& value : values.values) {
    if (!value || value->rows < wanted.row_end)
      return recompute({error_code::not_found, "they are not stored"});
    on_shelf &= value->book == 0 || books->find(value->book) != nullptr;
  }
  if (on_shelf) return decode(values);
  find_books(values);
}

/// A book may be newer than the view that this request began with.
void rows_state::find_books(const values_found& values) {
  self->request(view->supervisor, caf::infinite, get_view{})
      .then(
          [this, values](const view_ptr& newest) {
            books = newest->books;
            decode(values);
          },
          [this](const caf::error& e) {
            recompute(no_answer("supervisor", e));
          });
}

void rows_state::decode(const values_found& values) {
  std::uint32_t rows = chunk_positions;
  for (const auto& value : values.values)
    rows = std::min(rows, value->rows);
  block = std::make_shared<row_block>(
      wanted.shape, first_position(wanted.chunk), wanted.slots,
      wanted.row_begin, row_end_of(rows));
  source = values.source;
  filled = {};
  damage.reset();
  const auto& all = values.values;
  const std::size_t shares =
      shares_of(block->bytes(), all.size(), view->decoders.size());
  shares_left = static_cast<std::uint32_t>(shares);
  const auto at = [&](std::size_t share) {
    return all.begin() + static_cast<long>(share * all.size() / shares);
  };
  for (std::size_t i = 0; i < shares; ++i)
    decode_share(i, std::vector(at(i), at(i + 1)));
}

/// An urgent one goes before what bulk reads have the decoder decode.
void rows_state::decode_share(std::size_t share,
                              std::vector<stored_value_ptr> values) {
  const auto& decoder = view->decoder_of(wanted.name, share);
  decode_values command{std::move(values), books, block};
  auto asked = wanted.urgent
                   ? self->request<caf::message_priority::high>(
                         decoder, caf::infinite, std::move(command))
                   : self->request(decoder, caf::infinite, std::move(command));
  std::move(asked).then(
      [this](const values_decoded& decoded) { take_share(decoded); },
      [this](const caf::error& e) {
        const auto why = no_answer("decoder", e);
        take_share(why);
      });
}

void rows_state::take_share(const values_decoded& decoded) {
  if (decoded) {
    filled.slots += decoded.value().slots;
    filled.relative_error =
        std::max(filled.relative_error, decoded.value().relative_error);
  } else if (!damage) {
    damage = decoded.error();
  }
  if (--shares_left > 0) return;
  if (!damage && filled.slots != wanted.slots.size())
    damage = error{error_code::corrupt, "the stored values of chunk " +
                                            to_string(wanted.name) +
                                            " do not hold all layers"};
  if (damage) return take_damage(*damage);
  take_decoded();
}

void rows_state::take_damage(const error& what) {
  if (what.code != error_code::unavailable) {
    self->send(view->supervisor, damage_found{lamina::to_string(what)});
    self->send(view->catalog,
               chunk_found{wanted.conversation, wanted.chunk, wanted.name, 0,
                           presence::corrupt, std::nullopt});
    wanted.restore = true;
  }
  recompute(what);
}

void rows_state::take_decoded() {
  rows_loaded loaded{std::move(block), source, filled.relative_error};
  if (loaded.relative_error == 0 || !wanted.exact)
    return answer(std::move(loaded));
  // The stored ones are better than none.
  wanted.restore = false;
  inexact = std::move(loaded);
  recompute({error_code::not_found, "they are stored with an error"});
}

/// `because`: why the stored rows are not enough, for the error if this fails.
void rows_state::recompute(const error& because) {
  if (wanted.stored_only) return answer(because);
  if (wanted.brought)
    return answer(fail(
        because.code,
        "the activations of position " +
            std::to_string(first_position(wanted.chunk) + wanted.row_begin) +
            " cannot be read (" + because.context +
            "), and they were brought: they cannot be computed again"));
  auto hosted = view->models.find(wanted.model);
  if (hosted == view->models.end() || !hosted->second.actor ||
      root_of(hosted->second.model->origin()) != wanted.root)
    return answer(fail(
        because.code,
        "the activations of position " +
            std::to_string(first_position(wanted.chunk) + wanted.row_begin) +
            " cannot be read (" + because.context + "), and the model '" +
            wanted.model + "' that made them is not loaded"));
  auto model = hosted->second.actor;
  self->request(view->catalog, caf::infinite,
                get_token_ids{wanted.conversation, window_end()})
      .then(
          [this, model](const token_ids_result& ids) {
            if (!ids) return answer(ids.error());
            prefill(ids.value(), model);
          },
          [this](const caf::error& e) { answer(no_answer("catalog", e)); });
}

/// Where the window of chunks that begins with the wanted one ends. What is
/// stored again is stored whole: fewer rows would not take the place of a
/// damaged value.
position_t rows_state::window_end() const {
  const auto& shape = wanted.shape;
  const auto chunk_bytes = shape.slots() * chunk_positions * shape.row_bytes();
  const auto chunks = std::max<std::size_t>(window_bytes / chunk_bytes, 1);
  const auto end = std::uint64_t{first_position(wanted.chunk)} +
                   std::uint64_t{chunks} * chunk_positions;
  const auto least = first_position(wanted.chunk) +
                     (wanted.restore ? chunk_positions : wanted.row_end);
  return static_cast<position_t>(
      std::min<std::uint64_t>(end, std::max(wanted.position_end, least)));
}

void rows_state::prefill(std::vector<token_id> tokens,
                         const model_actor& model) {
  runner = model;
  recomputed.clear();  // it does not reach as far
  auto request = std::make_shared<sequence_request>();
  request->conversation = wanted.conversation;
  request->owner = wanted.owner;
  request->session = wanted.session;
  request->bulk = !wanted.urgent;
  request->tokens = std::move(tokens);
  request->capture_from = first_position(wanted.chunk);
  request->lens = lens_mode::on_demand;
  // The next window goes on from here.
  request->keep_cache = request->tokens.size() < wanted.position_end;
  self->request(runner, caf::infinite,
                begin_sequence{request, sequence_sink(self)})
      .then(
          [this](const sequence_begun& begun) {
            if (!begun) answer(begun.error());
          },
          [this](const caf::error& e) { answer(no_answer("model", e)); });
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
  return rows_in_windows(self, std::move(view), recomputed_bytes_max);
}

rows_self::behavior_type rows_in_windows(rows_state::pointer self,
                                         view_ptr view,
                                         std::size_t window_bytes) {
  auto& state = self->state;
  state.view = std::move(view);
  state.window_bytes = window_bytes;
  // A request that has ended does so without an error: what is being computed
  // for it ends too, for the model looks after its sinks.
  self->set_exit_handler(
      [self](const caf::exit_msg& ended) { self->quit(ended.reason); });
  state.books = state.view->books;
  return {
      [&state](const load_rows& m) { return state.load(m); },
      [&state](const sequence_advanced& m) { state.advance(*m.progress); },
      [&state](const sequence_failed& m) { state.answer(m.reason); },
  };
}

}  // namespace lamina

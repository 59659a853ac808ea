// The query of a search, and the conversations that it may be compared with.
#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <utility>

#include "actors/messages/rows.hpp"
#include "actors/request_search.hpp"
#include "actors/rows.hpp"
#include "actors/search/stored_scores.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

enum class query_kind : std::uint8_t { position = 1, payload = 2, none = 3 };

auto wrong(std::string sentence) {
  return fail(error_code::invalid_argument, std::move(sentence));
}

template <class Number>
std::string no_such(const char* what, Number number) {
  return std::string(what) + " " + std::to_string(number) + " does not exist";
}

result<restriction> restriction_of(const wire::SearchT& ask) {
  restriction where;
  if (ask.role > static_cast<std::uint8_t>(role::system))
    return wrong(no_such("role", ask.role));
  if (ask.role != 0) where.who = static_cast<role>(ask.role);
  where.begin = ask.position_begin;
  if (ask.position_end != 0) where.end = ask.position_end;
  if (where.begin >= where.end) return wrong("the range of positions is empty");
  where.text.assign(ask.text.begin(), ask.text.end());
  if (ask.text_match < static_cast<std::uint8_t>(text_match::across) ||
      ask.text_match > static_cast<std::uint8_t>(text_match::whole))
    return wrong(no_such("text match", ask.text_match));
  where.match = static_cast<text_match>(ask.text_match);
  return where;
}

result<void> check(const wire::SearchT& ask, bool has_payload) {
  if (ask.query < static_cast<std::uint8_t>(query_kind::position) ||
      ask.query > static_cast<std::uint8_t>(query_kind::none))
    return wrong(no_such("kind of query", ask.query));
  const auto kind = static_cast<query_kind>(ask.query);
  if (has_payload != (kind == query_kind::payload))
    return wrong(has_payload ? "a payload, but the query is another one"
                             : "the query is the payload, but there is none");
  if (kind == query_kind::none && ask.text.empty())
    return wrong("neither a query nor a text to search for");
  if (to_string(static_cast<site>(ask.site)) == "unknown")
    return wrong(no_such("site", ask.site));
  if (ask.top == 0 || ask.top > limits::search_top_max)
    return wrong("top must be from 1 to " +
                 std::to_string(limits::search_top_max));
  if (ask.context_size > limits::search_context_max)
    return wrong("context_size must be at most " +
                 std::to_string(limits::search_context_max));
  return success();
}

/// float32, little-endian.
result<std::vector<float>> floats_of(std::span<const std::byte> payload) {
  static_assert(std::endian::native == std::endian::little);
  if (payload.size() % sizeof(float) != 0)
    return wrong("a vector of " + std::to_string(payload.size()) +
                 " bytes: float32 values take 4 each");
  std::vector<float> values(payload.size() / sizeof(float));
  std::memcpy(values.data(), payload.data(), payload.size());
  return values;
}

bool has_layer(const capture_shape& shape, const search_query& query) {
  return !is_per_layer(query.at) || query.layer < shape.layers;
}

}  // namespace

void search_request_state::run() {
  ask = ctx.body->AsSearch();
  auto sound = check(*ask, ctx.payload != nullptr);
  if (!sound) return stop(sound.error());
  auto where = restriction_of(*ask);
  if (!where) return stop(where.error());
  query->where = std::move(where).value();
  query->at = static_cast<site>(ask->site);
  query->layer = is_per_layer(query->at) ? ask->layer : 0;
  query->top = ask->top;
  best.emplace(ask->top);
  switch (static_cast<query_kind>(ask->query)) {
    case query_kind::position:
      return locate_query();
    case query_kind::payload: {
      auto values = floats_of(*ctx.payload);
      if (!values) return stop(values.error());
      return ask_by(std::move(values).value());
    }
    case query_kind::none:
      return list();
  }
}

void search_request_state::locate_query() {
  auto id = read_conversation(ask->conversation);
  if (!id) return stop(id.error());
  locate_positions where;
  where.who = ctx.who;
  where.conversation = id.value();
  where.positions = {ask->position};
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this](const locate_result& found) {
            if (!found) return stop(found.error());
            place = query_place{found.value()->record,
                                found.value()->positions.front()};
            load_query();
          },
          unavailable(self, ctx, "catalog"));
}

/// The query's own row may come from anywhere, recomputation included.
void search_request_state::load_query() {
  const auto& [record, at] = *place;
  if (!has_layer(record.shape, *query))
    return stop({error_code::out_of_range,
                 no_such("layer", query->layer) + ": 0 to " +
                     std::to_string(record.shape.layers - 1) + " do"});
  const auto row = row_in_chunk(at.position);
  auto load = load_rows::of(record, at.name, at.chunk, row, row + 1);
  load.slots = {slot_of(query->at, query->layer, record.shape.layers)};
  load.position_end = at.position + 1;
  load.restore = at.activations != presence::never_asked;
  if (auto hosted = ctx.view->models.find(record.model);
      hosted != ctx.view->models.end())
    load.kept = hosted->second.kept;
  auto source = self->spawn<caf::linked>(rows, ctx.view);
  rows_source = rows_actor(source);
  self->request(rows_source, caf::infinite, std::move(load))
      .then(
          [this](const result<rows_loaded>& loaded) {
            if (!loaded) return stop(loaded.error());
            const auto& shape = place->record.shape;
            std::vector<float> values(shape.width);
            widen_row(loaded.value().rows->row(
                          slot_of(query->at, query->layer, shape.layers),
                          row_in_chunk(place->at.position)),
                      shape.element, values);
            ask_by(std::move(values));
          },
          unavailable(self, ctx, "rows actor"));
}

void search_request_state::ask_by(std::vector<float> vector) {
  auto ranking =
      scorer::make(std::move(vector), static_cast<similarity>(ask->metric));
  if (!ranking) return stop(ranking.error());
  query->ranking = std::move(ranking).value();
  list();
}

void search_request_state::list() {
  self->request(ctx.view->catalog, caf::infinite,
                list_conversations{ctx.who, {}, 0})
      .then(
          [this](const list_result& owned) {
            if (!owned) return stop(owned.error());
            choose(owned.value());
          },
          unavailable(self, ctx, "catalog"));
}

/// Numbers of one model mean nothing to another: equal roots only, unless the
/// client vouches for the model by its name.
bool search_request_state::fits(const conversation_record& record) const {
  if (!ask->model.empty() && record.model != ask->model) return false;
  if (!query->ranking) return true;
  if (place && ask->model.empty() && record.root != place->record.root)
    return false;
  return record.shape.width == query->ranking->width() &&
         has_layer(record.shape, *query);
}

void search_request_state::choose(
    const std::vector<conversation_record>& owned) {
  std::set<conversation_id> named;
  for (const auto& text : ask->conversations) {
    auto id = read_conversation(text);
    if (!id) return stop(id.error());
    named.insert(id.value());
  }
  const auto all = named.empty();
  auto found = std::make_shared<std::vector<conversation_id>>();
  for (const auto& record : owned) {
    if (!all && named.erase(record.id) == 0) continue;
    if (!fits(record)) {
      ++counts.conversations_passed_over;
      continue;
    }
    counts.chunks_total += chunks_of(record);
    chosen.push_back(record);
    found->push_back(record.id);
  }
  if (!named.empty())
    return stop({error_code::not_found,
                 "no conversation " + conversation_text(*named.begin())});
  ids = std::move(found);
  next_conversations();
}

}  // namespace lamina

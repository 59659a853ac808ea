// GetActivations: raw rows of a range of positions, in frames of bounded size,
// each sent when the one before it is on the wire.
//
// Rows are loaded part by part: some layers of one chunk, whole stored values,
// a few megabytes. While one part is sent the next is read and decoded, so a
// request holds two at most.
#include <algorithm>
#include <optional>
#include <utility>

#include "actors/messages/catalog.hpp"
#include "actors/messages/prefetch.hpp"
#include "actors/messages/rows.hpp"
#include "actors/request.hpp"
#include "actors/rows.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

constexpr std::size_t sites_max = 3;  // as many as there are

/// Raw rows of a part: enough for several decoders, little enough to begin
/// sending soon.
constexpr std::size_t part_bytes = 4u << 20;

struct slot {
  site at = site::resid_post;
  std::uint32_t layer = 0;
};

std::unique_ptr<wire::ActivationSlotT> to_wire(const slot& s) {
  auto w = std::make_unique<wire::ActivationSlotT>();
  w->site = static_cast<std::uint8_t>(s.at);
  w->layer = static_cast<std::uint16_t>(s.layer);
  return w;
}

/// Some slots of one chunk's wanted rows.
struct part {
  std::size_t chunk = 0;  // its place among the chunks asked for
  std::size_t begin = 0;  // slots begin .. end-1
  std::size_t end = 0;
  std::uint32_t row_begin = 0;
  std::uint32_t row_end = 0;
  rows_loaded loaded;
};

struct activations_request_state {
  using pointer = request_actor::stateful_pointer<activations_request_state>;
  explicit activations_request_state(pointer actor) : self(actor) {}

  void run();
  void located(const positions_located& found);
  std::optional<error> choose_slots();
  part part_after(std::size_t chunk, std::size_t first_slot) const;
  void load_next();
  load_rows rows_of(const part& p) const;
  void send_next();
  void send_slots(std::size_t first_slot);
  void stop(const error& e) { send_error(self, ctx, e); }

  static inline const char* name = "request_activations";
  pointer self;
  request_context ctx;
  const wire::GetActivationsT* ask = nullptr;
  conversation_record record;
  std::vector<slot> slots;
  std::vector<located_position> chunks;  // the first wanted position of each
  std::size_t next_chunk = 0;            // where the next part begins
  std::size_t next_slot = 0;
  std::optional<part> waiting;  // loaded while another is sent
  part current;                 // being sent
  bool loading = false;
  bool sending = false;
  std::optional<error> failed;  // of loading; told when what is sent is out
  rows_actor rows_source;
};

void activations_request_state::run() {
  ask = ctx.body->AsGetActivations();
  auto id = read_conversation(ask->conversation);
  if (!id) return stop(id.error());
  if (ask->position_begin >= ask->position_end)
    return stop(
        {error_code::invalid_argument, "the range of positions is empty"});
  if (ask->position_end - ask->position_begin > limits::positions_max)
    return stop({error_code::limit_exceeded,
                 "more than " + std::to_string(limits::positions_max) +
                     " positions in one request"});
  locate_positions where;
  where.who = ctx.who;
  where.conversation = id.value();
  // One position a chunk says all; the last one proves that the range exists.
  where.positions.push_back(ask->position_begin);
  for (auto chunk = chunk_of(ask->position_begin) + 1;
       chunk <= chunk_of(ask->position_end - 1); ++chunk)
    where.positions.push_back(first_position(chunk));
  where.positions.push_back(ask->position_end - 1);
  self->request(ctx.view->catalog, caf::infinite, std::move(where))
      .then(
          [this](const locate_result& found) {
            if (!found) return stop(found.error());
            located(*found.value());
          },
          unavailable(self, ctx, "catalog"));
}

void activations_request_state::located(const positions_located& found) {
  record = found.record;
  chunks = found.positions;
  chunks.pop_back();
  if (auto wrong = choose_slots()) return stop(*wrong);
  self->send(ctx.view->prefetch,
             warm_neighbours{ctx.who, record.id, ask->position_begin, true});
  auto source = self->spawn<caf::linked>(rows, ctx.view);
  rows_source = rows_actor(source);
  load_next();
}

std::optional<error> activations_request_state::choose_slots() {
  auto layers = record.shape.layers;
  if (ask->layers.size() > layers || ask->sites.size() > sites_max)
    return error{error_code::limit_exceeded,
                 "a layer or site is asked for more than once"};
  for (auto layer : ask->layers)
    if (layer >= layers)
      return error{error_code::out_of_range,
                   "layer " + std::to_string(layer) + " does not exist: 0 to " +
                       std::to_string(layers - 1) + " do"};
  auto sites = ask->sites;
  if (sites.empty())
    sites.push_back(static_cast<std::uint8_t>(site::resid_post));
  for (auto number : sites) {
    auto at = static_cast<site>(number);
    if (to_string(at) == "unknown")
      return error{error_code::invalid_argument,
                   "site " + std::to_string(number) + " does not exist"};
    if (!is_per_layer(at)) {
      slots.push_back({at, 0});
    } else if (ask->layers.empty()) {
      for (std::uint32_t l = 0; l < layers; ++l)
        slots.push_back({at, l});
    } else {
      for (auto l : ask->layers)
        slots.push_back({at, l});
    }
  }
  for (std::size_t i = 0; i < slots.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (slots[i].at == slots[j].at && slots[i].layer == slots[j].layer)
        return error{error_code::invalid_argument,
                     "a layer or site is asked for more than once"};
  return std::nullopt;
}

/// The part that begins there, of whole stored values as far as it goes.
part activations_request_state::part_after(std::size_t chunk,
                                           std::size_t first_slot) const {
  part p;
  p.chunk = chunk;
  p.begin = p.end = first_slot;
  const auto& at = chunks[chunk];
  p.row_begin = row_in_chunk(at.position);
  p.row_end =
      std::min(chunk_positions, ask->position_end - first_position(at.chunk));
  const std::size_t slot_bytes =
      (p.row_end - p.row_begin) * record.shape.row_bytes();
  const std::uint32_t group = layers_per_value(record.shape);
  const auto one_value = [group](const slot& a, const slot& b) {
    return a.at == b.at && a.layer / group == b.layer / group;
  };
  while (p.end < slots.size() && ((p.end - p.begin) * slot_bytes < part_bytes ||
                                  one_value(slots[p.end - 1], slots[p.end])))
    ++p.end;
  return p;
}

load_rows activations_request_state::rows_of(const part& p) const {
  const auto& at = chunks[p.chunk];
  auto load = load_rows::of(record, at.name, at.chunk, p.row_begin, p.row_end);
  for (auto i = p.begin; i < p.end; ++i)
    load.slots.push_back(
        slot_of(slots[i].at, slots[i].layer, record.shape.layers));
  load.position_end = ask->position_end;
  load.restore = at.activations != presence::never_asked;
  load.exact = ask->exact;
  load.session = ctx.session.id();
  load.urgent = ask->position_end - ask->position_begin <= click_positions_max;
  if (auto hosted = ctx.view->models.find(record.model);
      hosted != ctx.view->models.end())
    load.kept = hosted->second.kept;
  return load;
}

void activations_request_state::load_next() {
  if (loading || waiting || failed || next_chunk == chunks.size()) return;
  loading = true;
  part p = part_after(next_chunk, next_slot);
  next_slot = p.end == slots.size() ? 0 : p.end;
  if (next_slot == 0) ++next_chunk;
  auto load = rows_of(p);
  self->request(rows_source, caf::infinite, std::move(load))
      .then(
          [this, p = std::move(p)](const result<rows_loaded>& found) mutable {
            loading = false;
            if (found) {
              p.loaded = found.value();
              waiting = std::move(p);
            } else {
              failed = found.error();
            }
            send_next();
          },
          [this](const caf::error& e) {
            loading = false;
            failed =
                error{error_code::unavailable,
                      "the rows actor did not answer: " + caf::to_string(e)};
            send_next();
          });
}

/// A failure comes after what was loaded before it, and ends the answer.
void activations_request_state::send_next() {
  if (sending) return;
  if (waiting) {
    sending = true;
    current = std::move(*waiting);
    waiting.reset();
    load_next();
    return send_slots(current.begin);
  }
  if (failed) stop(*failed);
}

/// [slot][position][width]: the block of a part is its payload.
void activations_request_state::send_slots(std::size_t first_slot) {
  const part& p = current;
  auto slot_bytes = (p.row_end - p.row_begin) * record.shape.row_bytes();
  auto count =
      std::max<std::size_t>(1, limits::stream_payload_bytes / slot_bytes);
  auto end = std::min(p.end, first_slot + count);
  auto first = first_position(chunks[p.chunk].chunk);
  wire::ActivationsT answer;
  answer.conversation = conversation_text(record.id);
  answer.position_begin = first + p.row_begin;
  answer.position_end = first + p.row_end;
  for (auto i = first_slot; i < end; ++i)
    answer.slots.push_back(to_wire(slots[i]));
  answer.width = record.shape.width;
  answer.dtype = static_cast<std::uint8_t>(record.shape.element);
  answer.source = to_string(p.loaded.source);
  answer.relative_error = p.loaded.relative_error;
  answer.exact = p.loaded.relative_error == 0;
  answer.took_us = ctx.elapsed_us();
  answer.last = end == slots.size() && p.chunk + 1 == chunks.size();
  shared_bytes rows{
      p.loaded.rows->of_places(first_slot - p.begin, end - p.begin),
      p.loaded.rows};
  if (answer.last)
    return send_terminal(self, ctx, make_body(std::move(answer)),
                         std::move(rows));
  send_response(self, ctx, frame_kind::response, make_body(std::move(answer)),
                std::move(rows), [this, end] {
                  if (end < current.end) return send_slots(end);
                  sending = false;
                  send_next();
                });
}

}  // namespace

request_actor spawn_activations_request(caf::actor_system& sys,
                                        request_context ctx) {
  return spawn_request_of<activations_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

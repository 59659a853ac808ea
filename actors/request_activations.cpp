// GetActivations: raw rows of a range of positions, chunk by chunk, in frames
// of bounded size, each sent when the one before it is on the wire.
#include <algorithm>
#include <cstring>
#include <utility>

#include "actors/request.hpp"
#include "actors/rows.hpp"

namespace lamina {
namespace {

constexpr std::size_t sites_max = 3;  // as many as there are

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

struct activations_request_state {
  using pointer = request_actor::stateful_pointer<activations_request_state>;
  explicit activations_request_state(pointer actor) : self(actor) {}

  void run();
  void located(const positions_located& found);
  std::optional<error> choose_slots();
  std::vector<value_key> keys(const digest& chunk) const;
  void load_chunk();
  void send_slots(std::size_t first_slot);
  std::vector<std::byte> payload(std::size_t begin, std::size_t end) const;
  void stop(const error& e) { send_error(self, ctx, e); }

  static inline const char* name = "request_activations";
  pointer self;
  request_context ctx;
  const wire::GetActivationsT* ask = nullptr;
  conversation_record record;
  std::vector<slot> slots;
  std::vector<located_position> chunks;  // the first wanted position of each
  std::size_t current = 0;
  rows_loaded loaded;
  std::uint32_t row_begin = 0;  // wanted rows of the current chunk
  std::uint32_t row_end = 0;
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
  where.uid = ctx.uid;
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
             warm_neighbours{ctx.uid, record.id, ask->position_begin, true});
  auto source = self->spawn<caf::linked>(rows, ctx.view);
  rows_source = rows_actor(source);
  load_chunk();
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
  return std::nullopt;
}

/// The stored values that hold the chosen slots, and no others.
std::vector<value_key> activations_request_state::keys(
    const digest& chunk) const {
  std::vector<value_key> keys;
  auto group = layers_per_value(record.shape);
  for (const auto& s : slots) {
    auto first = is_per_layer(s.at) ? s.layer - s.layer % group : 0;
    keys.push_back({chunk, s.at, static_cast<std::uint16_t>(first)});
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

void activations_request_state::load_chunk() {
  const auto& at = chunks[current];
  auto first = first_position(at.chunk);
  row_begin = row_in_chunk(at.position);
  row_end = std::min(chunk_positions, ask->position_end - first);
  auto load = load_rows::of(record, at.name, at.chunk, row_begin, row_end);
  load.keys = keys(at.name);
  load.position_end = ask->position_end;
  load.restore = at.activations != presence::never_asked;
  load.exact = ask->exact;
  load.urgent = ask->position_end - ask->position_begin <= click_positions_max;
  if (auto hosted = ctx.view->models.find(record.model);
      hosted != ctx.view->models.end())
    load.kept = hosted->second.kept;
  self->request(rows_source, caf::infinite, std::move(load))
      .then(
          [this](const result<rows_loaded>& found) {
            if (!found) return stop(found.error());
            loaded = found.value();
            send_slots(0);
          },
          unavailable(self, ctx, "rows actor"));
}

/// [slot][position][width] of slots begin .. end-1.
std::vector<std::byte> activations_request_state::payload(
    std::size_t begin, std::size_t end) const {
  auto row_bytes = record.shape.row_bytes();
  auto slot_bytes = (row_end - row_begin) * row_bytes;
  std::vector<std::byte> bytes((end - begin) * slot_bytes);
  for (auto i = begin; i < end; ++i) {
    auto at = slot_of(slots[i].at, slots[i].layer, record.shape.layers);
    auto rows_of_slot = loaded.rows.chunk->rows(at);
    std::memcpy(bytes.data() + (i - begin) * slot_bytes,
                rows_of_slot.data() + row_begin * row_bytes, slot_bytes);
  }
  return bytes;
}

void activations_request_state::send_slots(std::size_t first_slot) {
  auto slot_bytes = (row_end - row_begin) * record.shape.row_bytes();
  auto count =
      std::max<std::size_t>(1, limits::stream_payload_bytes / slot_bytes);
  auto end = std::min(slots.size(), first_slot + count);
  auto first = first_position(chunks[current].chunk);
  wire::ActivationsT answer;
  answer.conversation = conversation_text(record.id);
  answer.position_begin = first + row_begin;
  answer.position_end = first + row_end;
  for (auto i = first_slot; i < end; ++i)
    answer.slots.push_back(to_wire(slots[i]));
  answer.width = record.shape.width;
  answer.dtype = static_cast<std::uint8_t>(record.shape.element);
  answer.source = to_string(loaded.source);
  answer.relative_error = loaded.relative_error;
  answer.exact = loaded.relative_error == 0;
  answer.took_us = ctx.elapsed_us();
  bool chunk_done = end == slots.size();
  answer.last = chunk_done && current + 1 == chunks.size();
  auto bytes = payload(first_slot, end);
  if (answer.last)
    return send_terminal(self, ctx, make_body(std::move(answer)), bytes);
  send_response(self, ctx, frame_kind::response, make_body(std::move(answer)),
                bytes, [this, chunk_done, end] {
                  if (!chunk_done) return send_slots(end);
                  ++current;
                  load_chunk();
                });
}

}  // namespace

request_actor spawn_activations_request(caf::actor_system& sys,
                                        request_context ctx) {
  return spawn_request_of<activations_request_state>(sys, std::move(ctx));
}

}  // namespace lamina

// ReadLens beyond what records have: other numbers of predictions, tracked
// tokens, tuned lenses. From rows as they are kept, a slice at a time.
#include <algorithm>
#include <utility>

#include "actors/messages/lens.hpp"
#include "actors/messages/rows.hpp"
#include "actors/request_lens.hpp"
#include "actors/view.hpp"

namespace lamina {
namespace {

/// About what a layer takes in a frame.
std::size_t wire_bytes(const readout_query& query) {
  return 80 + query.top_k * std::size_t{28} + query.tracked.size() * 8;
}

std::string names_of(const std::map<std::string, std::filesystem::path>& all) {
  std::string text;
  for (const auto& [lens_name, file] : all)
    text += (text.empty() ? "" : ", ") + lens_name;
  return text.empty() ? "none" : text;
}

}  // namespace

bool lens_request_state::wants_readout() const {
  return range->top_k > lens_top_k || !range->track.empty() ||
         !range->track_texts.empty() || !range->lens.empty();
}

void lens_request_state::prepare_readout() {
  if (!model)
    return stop({error_code::not_found,
                 "what is asked for is computed from activations, and the "
                 "model '" +
                     record.model + "' that made them is not loaded"});
  auto tracked = tracked_tokens();
  if (!tracked) return stop(tracked.error());
  query = std::make_shared<readout_query>();
  query->top_k = range->top_k;
  query->tracked = std::move(tracked).value();
  for (auto index : layers())
    query->slots.push_back(static_cast<std::uint32_t>(index + 1));
  if (range->lens.empty()) return next_round();
  open_maps();
}

/// Ids first, then texts, as they were asked for.
result<std::vector<token_id>> lens_request_state::tracked_tokens() const {
  const auto vocabulary = model->head().vocabulary();
  for (auto token : range->track)
    if (token >= vocabulary)
      return fail(error_code::out_of_range,
                  "token " + std::to_string(token) + " does not exist: 0 to " +
                      std::to_string(vocabulary - 1) + " do");
  std::vector<token_id> tracked = range->track;
  for (const auto& wanted : range->track_texts) {
    BOOST_OUTCOME_TRY(ids, model->text().encode(wanted, {}));
    if (ids.size() != 1)
      return fail(error_code::invalid_argument,
                  "'" + wanted + "' is " + std::to_string(ids.size()) +
                      " tokens of '" + record.model +
                      "': only a single one can be tracked");
    tracked.push_back(ids.front());
  }
  return tracked;
}

void lens_request_state::open_maps() {
  const auto& lenses = ctx.view->models.at(record.model).lenses;
  auto file = lenses.find(range->lens);
  if (file == lenses.end())
    return stop({error_code::not_found,
                 "the model '" + record.model + "' has no tuned lens '" +
                     range->lens + "'; configured: " + names_of(lenses)});
  self->request(ctx.view->lens_clicks, caf::infinite,
                open_lens_maps{model, file->second})
      .then(
          [this](const lens_maps_opened& opened) {
            if (!opened) return stop(opened.error());
            query->maps = opened.value();
            next_round();
          },
          unavailable(self, ctx, "lens actor"));
}

/// The slots asked for, and the last layer, which all are compared to.
std::vector<std::uint32_t> lens_request_state::readout_slots() const {
  std::vector<std::uint32_t> slots(query->slots.begin(), query->slots.end());
  slots.push_back(record.shape.layers);
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

void lens_request_state::load_readout_rows() {
  const auto& group = groups[current];
  const auto& at = group.front();
  auto load =
      load_rows::of(record, at.name, at.chunk, row_in_chunk(at.position),
                    row_in_chunk(group.back().position) + 1);
  load.slots = readout_slots();
  load.exact = range->exact;
  load.position_end = recomputed_end(group.back().position + 1);
  load.restore = at.activations != presence::never_asked;
  load.kept = kept;
  ask_rows(
      std::move(load),
      [this](const rows_loaded& loaded) {
        groups[current].source = loaded.source;
        groups[current].relative_error = loaded.relative_error;
        read_out_slice(as_chunk(*loaded.rows), 0);
      },
      [this](const error& why) { stop(why); });
}

/// As many as one computation and one frame should take.
std::size_t lens_request_state::readout_positions() const {
  const auto of_position = query->slots.size() * wire_bytes(*query);
  return std::min<std::size_t>(
      readout_slice_positions(*query, model->head().vocabulary()),
      std::max<std::size_t>(limits::stream_payload_bytes / of_position, 1));
}

void lens_request_state::read_out_slice(const ready_rows& rows,
                                        std::size_t begin) {
  const auto& positions = groups[current].positions;
  if (ended) return;
  if (begin == positions.size()) return next_round();
  const auto count = std::min(positions.size() - begin, readout_positions());
  const auto row = row_in_chunk(positions[begin].position);
  compute_readout work{
      model,
      query,
      {rows.chunk, row, row + static_cast<std::uint32_t>(count)},
      {}};
  for (auto i = begin; i < begin + count; ++i) {
    const auto& next = positions[i].next;
    work.next.push_back(next ? next->token.id : no_token);
  }
  self->request(worker(), caf::infinite, std::move(work))
      .then(
          [this, rows, begin](const readout_computed& read) {
            if (!read) return stop(read.error());
            send_readout(rows, begin, *read.value());
          },
          unavailable(self, ctx, "lens actor"));
}

void lens_request_state::send_readout(const ready_rows& rows, std::size_t begin,
                                      const readout& read) {
  if (ended) return;
  const auto count = read.size() / query->slots.size();
  std::vector<wire::LensPositionT> positions;
  auto from = read.begin();
  for (auto i = begin; i < begin + count; ++i) {
    const auto& at = groups[current].positions[i];
    positions.push_back(
        position(at, [&](int index) { return layer(at, index, *from++); }));
  }
  cursor += static_cast<position_t>(count);
  positions_done += static_cast<std::uint32_t>(count);
  positions_computed += static_cast<std::uint32_t>(count);
  auto answer = part();
  for (auto& p : positions)
    answer.positions.push_back(
        std::make_unique<wire::LensPositionT>(std::move(p)));
  send_response(
      self, ctx, frame_kind::response, make_body(std::move(answer)), {},
      [this, rows, begin, count] { read_out_slice(rows, begin + count); });
}

}  // namespace lamina

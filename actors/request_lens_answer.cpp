// Lens records in the protocol's words.
#include <utility>

#include "actors/request_lens.hpp"

namespace lamina {

std::string lens_request_state::text(token_id id) const {
  if (!model || id == no_token) return {};
  utf8_stream stream;
  auto complete = stream.push(model->text().bytes_of(id));
  return complete + stream.finish();
}

const token_rating* lens_request_state::rating(const located_position& at,
                                               int index) const {
  const auto& group = groups[current];
  if (!at.next) return nullptr;
  auto row = row_in_chunk(at.position + 1);
  const auto& block = at.next_name ? group.next : group.block;
  if (!block || (block->rated >> row & 1u) == 0) return nullptr;
  return &block->at(row, index).of_this;
}

wire::LensLayerT lens_request_state::layer(const located_position& at,
                                           int index) const {
  const auto& record_of =
      groups[current].block->at(row_in_chunk(at.position), index);
  wire::LensLayerT w;
  w.layer = static_cast<std::int16_t>(index);
  for (std::uint32_t i = 0; i < ask.top_k; ++i) {
    if (record_of.top_ids[i] == no_token) break;
    w.ids.push_back(record_of.top_ids[i]);
    w.texts.push_back(text(record_of.top_ids[i]));
    w.log_probabilities.push_back(record_of.top_log_probabilities[i]);
  }
  w.entropy = record_of.entropy;
  w.kl_to_final = record_of.kl_to_final;
  if (const auto* r = rating(at, index)) {
    w.next_rated = true;
    w.next_id = at.next->token.id;
    w.rank_of_next = r->rank;
    w.log_probability_of_next = r->log_probability;
  }
  return w;
}

wire::LensLayerT lens_request_state::layer(const located_position& at,
                                           int index,
                                           const layer_readout& from) const {
  wire::LensLayerT w;
  w.layer = static_cast<std::int16_t>(index);
  w.ids = from.top_ids;
  for (auto id : from.top_ids)
    w.texts.push_back(text(id));
  w.log_probabilities = from.top_log_probabilities;
  w.entropy = from.entropy;
  w.kl_to_final = from.kl_to_final;
  for (const auto& rated : from.tracked) {
    w.ranks_of_tracked.push_back(rated.rank);
    w.log_probabilities_of_tracked.push_back(rated.log_probability);
  }
  if (at.next) {
    w.next_rated = true;
    w.next_id = at.next->token.id;
    w.rank_of_next = from.next.rank;
    w.log_probability_of_next = from.next.log_probability;
  }
  return w;
}

/// In the order asked for.
std::vector<int> lens_request_state::layers() const {
  if (!ask.layers.empty()) return {ask.layers.begin(), ask.layers.end()};
  std::vector<int> all;
  for (int i = embed_layer; i < static_cast<int>(record.shape.layers); ++i)
    all.push_back(i);
  return all;
}

wire::LensPositionT lens_request_state::position(
    const located_position& at, const layer_maker& make) const {
  wire::LensPositionT w;
  w.token = std::make_unique<wire::TokenT>(to_wire(at.token));
  for (auto index : layers())
    w.layers.push_back(std::make_unique<wire::LensLayerT>(make(index)));
  w.source = to_string(groups[current].source);
  w.relative_error = groups[current].relative_error;
  w.exact = w.relative_error == 0;
  return w;
}

wire::LensPositionT lens_request_state::position(
    const located_position& at) const {
  return position(at, [&](int index) { return layer(at, index); });
}

/// The next frame of a range, without positions.
wire::LensResultT lens_request_state::part() {
  wire::LensResultT answer;
  answer.conversation = conversation_text(record.id);
  answer.positions_done = positions_done;
  if (range_end) answer.positions_total = *range_end - range->position_begin;
  answer.positions_computed = positions_computed;
  answer.took_us = ctx.elapsed_us();
  if (query && !std::exchange(told_tracked, true))
    for (auto id : query->tracked) {
      wire::TokenT token;
      token.id = id;
      const auto bytes = model->text().bytes_of(id);
      token.bytes.assign(bytes.begin(), bytes.end());
      answer.tracked.push_back(
          std::make_unique<wire::TokenT>(std::move(token)));
    }
  return answer;
}

void lens_request_state::send_group() {
  if (ended) return;
  if (range) return round_done();
  wire::LensResultT answer;
  answer.conversation = conversation_text(record.id);
  for (const auto& at : groups[current].positions)
    answer.positions.push_back(
        std::make_unique<wire::LensPositionT>(position(at)));
  if (current == 0)
    for (const auto& t : context)
      answer.context.push_back(std::make_unique<wire::TokenT>(to_wire(t)));
  answer.last = current + 1 == groups.size();
  answer.took_us = ctx.elapsed_us();
  if (answer.last)
    return send_terminal(self, ctx, make_body(std::move(answer)));
  send_response(self, ctx, frame_kind::response, make_body(std::move(answer)),
                {}, [this] {
                  ++current;
                  find_block();
                });
}

}  // namespace lamina

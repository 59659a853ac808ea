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
  for (std::uint32_t i = 0; i < ask->top_k; ++i) {
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

wire::LensPositionT lens_request_state::position(
    const located_position& at) const {
  wire::LensPositionT w;
  w.token = std::make_unique<wire::TokenT>(to_wire(at.token));
  auto add = [&](int index) {
    w.layers.push_back(std::make_unique<wire::LensLayerT>(layer(at, index)));
  };
  if (ask->layers.empty())
    for (int i = embed_layer; i < static_cast<int>(record.shape.layers); ++i)
      add(i);
  for (auto index : ask->layers)
    add(index);
  w.source = to_string(groups[current].source);
  w.relative_error = groups[current].relative_error;
  w.exact = w.relative_error == 0;
  return w;
}

void lens_request_state::send_group() {
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

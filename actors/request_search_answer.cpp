// What a search has found, in words of the protocol.
#include <algorithm>
#include <utility>

#include "actors/request_search.hpp"

namespace lamina {
namespace {

// Between two frames of progress: fast enough to be watched.
constexpr auto progress_every = std::chrono::milliseconds(100);

const token_record& token_at(const history_conversation& in, position_t p) {
  return in.chunks[chunk_of(p)].tokens[row_in_chunk(p)];
}

position_t size_of(const history_conversation& in) {
  const auto last = static_cast<std::uint32_t>(in.chunks.size() - 1);
  return first_position(last) +
         static_cast<position_t>(in.chunks[last].tokens.size());
}

std::string text_of(const history_conversation& in, position_t begin,
                    position_t end) {
  std::string text;
  for (auto p = begin; p < end; ++p)
    text += token_at(in, p).bytes;
  return text;
}

std::vector<std::uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

}  // namespace

hit_context search_request_state::context_of(const search_hit& hit) const {
  constexpr std::size_t most = limits::search_context_bytes_max;
  const auto& in = *current.at(hit.conversation);
  const auto end = hit.position + hit.tokens;
  const auto before = std::min(hit.position, ask->context_size);
  const auto after = std::min(size_of(in) - end, ask->context_size);
  hit_context context;
  context.token = {hit.position, token_at(in, hit.position)};
  context.before = text_of(in, hit.position - before, hit.position);
  if (context.before.size() > most)
    context.before.erase(0, context.before.size() - most);
  context.text = text_of(in, hit.position, end);
  if (context.text.size() > most) context.text.resize(most);
  context.after = text_of(in, end, end + after);
  if (context.after.size() > most) context.after.resize(most);
  return context;
}

std::unique_ptr<wire::SearchHitT> search_request_state::to_wire(
    const search_hit& hit) const {
  const auto& context = contexts.at(key_of(hit));
  auto w = std::make_unique<wire::SearchHitT>();
  w->score = hit.score;
  w->conversation = conversation_text(chosen[hit.conversation].id);
  w->token = std::make_unique<wire::TokenT>(lamina::to_wire(context.token));
  w->tokens = hit.tokens;
  w->before = bytes_of(context.before);
  w->text = bytes_of(context.text);
  w->after = bytes_of(context.after);
  w->shared_by = seen.conversations(hit.chunk, hit.row);
  return w;
}

wire::SearchResultT search_request_state::answer() const {
  wire::SearchResultT a = counts;
  for (const auto& hit : best->sorted())
    a.hits.push_back(to_wire(hit));
  a.exact = a.relative_error == 0;
  a.took_us = ctx.elapsed_us();
  return a;
}

/// A reader that is slow sees fewer frames, each with all there is.
void search_request_state::show_progress() {
  const auto now = std::chrono::steady_clock::now();
  if (frame_out || now - last_frame < progress_every) return;
  frame_out = true;
  last_frame = now;
  send_response(self, ctx, frame_kind::response, make_body(answer()), {},
                [this] { frame_out = false; });
}

void search_request_state::finish() {
  ended = true;
  auto a = answer();
  a.last = true;
  send_terminal(self, ctx, make_body(std::move(a)));
}

}  // namespace lamina

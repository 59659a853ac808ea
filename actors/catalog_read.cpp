// What the catalog is asked: where positions are, tokens, lists.
#include <algorithm>
#include <caf/all.hpp>
#include <utility>

#include "actors/catalog.hpp"
#include "protocol/id_text.hpp"

namespace lamina {
namespace {

placed_token place(const std::vector<chunk_record>& chunks, position_t p) {
  return {p, chunks[chunk_of(p)].tokens[row_in_chunk(p)]};
}

result<std::shared_ptr<const positions_located>> locate_in(
    const catalog_state::entry& e, const locate_positions& m) {
  auto located = std::make_shared<positions_located>();
  located->record = e.record;
  located->running = e.busy();
  const auto& chunks = *e.chunks;
  position_t size = 0;
  for (const auto& c : chunks) {
    size += static_cast<position_t>(c.tokens.size());
    if (c.tokens.size() < chunk_positions) break;  // the last that has a place
  }
  located->size = size;
  for (auto p : m.positions) {
    if (p >= size)
      return fail(error_code::out_of_range,
                  "position " + std::to_string(p) + " is beyond the last, " +
                      std::to_string(size) + " exist");
    const auto& chunk = chunks[chunk_of(p)];
    located_position at;
    at.position = p;
    at.token = place(chunks, p);
    at.chunk = chunk_of(p);
    at.name = chunk.name;
    at.activations = chunk.resid_post;
    at.lens = chunk.lens;
    if (p + 1 < size) {
      at.next = place(chunks, p + 1);
      if (chunk_of(p + 1) != at.chunk)
        at.next_name = chunks[chunk_of(p + 1)].name;
    }
    located->positions.push_back(std::move(at));
  }
  if (!m.positions.empty()) {
    auto first = m.positions.front();
    for (auto p = first - std::min(first, m.context); p < first; ++p)
      located->context.push_back(place(chunks, p));
  }
  return std::shared_ptr<const positions_located>(std::move(located));
}

/// All sites, and as much of the lens as is wanted.
bool suffices(const chunk_record& chunk, lens_mode wanted) {
  for (const presence p : {chunk.embed, chunk.resid_post, chunk.final_norm})
    if (p != presence::present) return false;
  return chunk.lens == presence::present ||
         (wanted == lens_mode::on_demand && chunk.lens == presence::on_demand);
}

}  // namespace

caf::result<locate_result> catalog_state::locate(const locate_positions& m) {
  reply_to<std::shared_ptr<const positions_located>> reply;
  auto promise = owe(reply);
  with_chunks(m.conversation, readable(m.conversation, m.who),
              [m, reply](const result<entry*>& e) {
                reply(e ? locate_in(*e.value(), m) : locate_result(e.error()));
              });
  return promise;
}

caf::result<token_ids_result> catalog_state::ids(const get_token_ids& m) {
  auto it = entries.find(m.conversation);
  if (it == entries.end() || it->second.removing)
    return token_ids_result(fail(error_code::not_found,
                                 no_such_conversation(m.conversation).context));
  reply_to<std::vector<token_id>> reply;
  auto promise = owe(reply);
  it->second.used = ++uses;
  load(m.conversation, it->second, [m, reply](const result<entry*>& e) {
    if (!e) return reply(token_ids_result(e.error()));
    std::vector<token_id> ids;
    for (const auto& chunk : *e.value()->chunks)
      for (const auto& token : chunk.tokens)
        if (ids.size() < m.end) ids.push_back(token.id);
    reply(std::move(ids));
  });
  return promise;
}

list_result catalog_state::list(const list_conversations& m) {
  std::vector<const entry*> found;
  for (const auto& [id, e] : entries)
    if (may_read(m.who, e.record) && !e.removing &&
        (m.model.empty() || e.record.model == m.model))
      found.push_back(&e);
  const auto count = m.limit == 0
                         ? found.size()
                         : std::min<std::size_t>(m.limit, found.size());
  std::partial_sort(
      found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count),
      found.end(), [](const entry* a, const entry* b) {
        return std::pair(a->record.created_unix_ms, a->record.id) >
               std::pair(b->record.created_unix_ms, b->record.id);
      });
  found.resize(count);
  std::vector<conversation_record> records;
  for (const auto* e : found) {
    records.push_back(e->record);
    if (e->busy()) records.back().state = turn_state::running;
  }
  return records;
}

caf::result<show_result> catalog_state::show(const show_conversation& m) {
  reply_to<std::shared_ptr<const conversation_shown>> reply;
  auto promise = owe(reply);
  with_chunks(
      m.conversation, readable(m.conversation, m.who),
      [reply](const result<entry*>& e) {
        if (!e) return reply(show_result(e.error()));
        auto shown = std::make_shared<conversation_shown>();
        shown->record = e.value()->record;
        if (e.value()->busy()) shown->record.state = turn_state::running;
        shown->chunks = *e.value()->chunks;
        shown->durable = e.value()->durable;
        reply(show_result(std::shared_ptr<const conversation_shown>(shown)));
      });
  return promise;
}

/// A name stands for all tokens up to its chunk, so the first that differs ends
/// the comparison.
shared_chunks catalog_state::find_shared(const find_shared_chunks& m) const {
  shared_chunks best;
  const auto asker = entries.find(m.conversation);
  if (asker == entries.end()) return best;
  const auto owner = owner_of(asker->second.record);
  for (const auto id : loaded) {
    const auto it = entries.find(id);
    if (it == entries.end() || id == m.conversation) continue;
    const auto& e = it->second;
    if (!e.chunks || e.removing || !e.kept || !owns(owner, e.record) ||
        *e.kept > std::max(m.kept, quality::lossless))
      continue;
    shared_chunks found;
    const auto count = std::min(e.chunks->size(), m.names.size());
    for (std::size_t i = 0; i < count; ++i) {
      const auto& chunk = (*e.chunks)[i];
      if (chunk.name != m.names[i] || !suffices(chunk, m.lens)) break;
      found.lens.push_back(chunk.lens);
    }
    if (found.lens.size() > best.lens.size()) best = std::move(found);
  }
  return best;
}

}  // namespace lamina

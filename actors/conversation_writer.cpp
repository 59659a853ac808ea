#include "actors/conversation_writer.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace lamina {
namespace {

bool covers(const lens_block& block, const chunk_record& chunk) {
  const auto rows = (1u << chunk.tokens.size()) - 1;
  return (rows & ~block.complete) == 0;
}

}  // namespace

error no_answer_from(std::string_view who, const caf::error& e) {
  return {error_code::unavailable,
          "the " + std::string(who) + " did not answer: " + to_string(e)};
}

void conversation_writer::begin_at(std::uint32_t index) {
  first_written = commit_next = stored_next = index;
  commits = in_order<sealed_chunk>(index);
}

void conversation_writer::encode(std::uint32_t index, const ready_rows& rows,
                                 float given_error) {
  ++outstanding;
  auto chunk_name = log.chunk(index).name;
  auto credit = rows.chunk->bytes();
  auto book = is_lossy(kept) ? view->books->of(record.root) : nullptr;
  if (is_lossy(kept) && !book) without_book(chunk_name, rows);
  ask_codec(
      view->codec_of(chunk_name),
      encode_rows{chunk_name, rows, kept, std::move(book), given_error},
      [this, index, chunk_name, credit](const result<rows_encoded>& encoded) {
        --outstanding;
        const auto& shard = view->shard_of(chunk_name);
        if (encoded) {
          caf::anon_send(shard, publish_values{chunk_name, encoded.value()});
          commits.put(index, {index, encoded.value(), credit});
        } else {
          lose_durability(encoded.error());
          caf::anon_send(shard, discard_chunk{chunk_name});
          commits.put(index, {index, {}, credit});
        }
        commit_sealed();
      });
}

void conversation_writer::commit_sealed() {
  while (auto chunk = commits.take())
    commit(std::move(*chunk));
}

void conversation_writer::keep_lens(std::uint32_t index, lens_block block,
                                    bool whole) {
  auto chunk_name = log.chunk(index).name;
  if (index >= commit_next) {
    // The store would not know the chunk yet: they go with its commit.
    auto [it, added] = lens.try_emplace(index, std::move(block));
    if (!added) merge(it->second, block);
    return;
  }
  write({put_lens{chunk_name,
                  std::make_shared<const lens_block>(std::move(block))}},
        [this, index, chunk_name, whole](const result<ops_written>& outcome) {
          mark(index, chunk_name, std::nullopt,
               outcome && whole ? presence::present : presence::on_demand);
        });
}

/// The chunk's record as it is true after its commit.
chunk_record conversation_writer::record_to_commit(
    const sealed_chunk& sealed, const lens_block_ptr& block) {
  auto chunk = log.chunk(sealed.index);
  if (chunk.resid_post == presence::pending) {
    auto state = sealed.values.empty() ? presence::dropped : presence::present;
    mark_activations(chunk, state);
    if (state == presence::dropped)
      dropped_positions += static_cast<std::uint32_t>(chunk.tokens.size());
  }
  if (chunk.lens == presence::pending)
    chunk.lens = block ? presence::present : presence::on_demand;
  else if (block && covers(*block, chunk))
    chunk.lens = presence::present;
  return chunk;
}

void conversation_writer::commit(sealed_chunk sealed) {
  commit_next = sealed.index + 1;
  lens_block_ptr block;
  if (auto it = lens.find(sealed.index); it != lens.end()) {
    block = std::make_shared<const lens_block>(std::move(it->second));
    lens.erase(it);
  }
  auto chunk = record_to_commit(sealed, block);
  record.positions = std::max(
      record.positions, static_cast<position_t>(first_position(sealed.index) +
                                                chunk.tokens.size()));
  bool last = ended_as && sealed.index + 1 == log.chunks().size();
  record.state = last ? *ended_as : turn_state::running;
  std::vector<write_op> ops{put_conversation{record}};
  // What a crash left behind a gap must not come after these tokens.
  if (!std::exchange(cut, true))
    ops.push_back(cut_chunks{record.id, known_chunks});
  // Records whose own commit failed go along, so that no hole stays.
  auto again = std::exchange(unwritten, {});
  for (auto index : again)
    ops.push_back(put_chunk{record.id, index, log.chunk(index), {}, nullptr});
  again.insert(sealed.index);
  auto chunk_name = chunk.name;
  auto lens_state = chunk.lens;
  ops.push_back(put_chunk{record.id, sealed.index, std::move(chunk),
                          sealed.values, block});
  write(std::move(ops), [this, sealed, again, chunk_name,
                         lens_state](const result<ops_written>& outcome) {
    (outcome ? written : unwritten).insert(again.begin(), again.end());
    committed(sealed, chunk_name, outcome);
    if (lens_state == presence::present)
      mark(sealed.index, chunk_name, std::nullopt,
           outcome ? presence::present : presence::on_demand);
  });
}

void conversation_writer::committed(const sealed_chunk& sealed,
                                    const digest& chunk_name,
                                    const result<ops_written>& outcome) {
  const bool lost = !outcome || outcome.value().activations_refused;
  if (sealed.credit != 0) credit_returned(sealed.credit);
  const auto& chunk = log.chunk(sealed.index);
  if (chunk.resid_post == presence::pending)
    mark(sealed.index, chunk_name,
         lost || sealed.values.empty() ? presence::dropped : presence::present,
         std::nullopt);
  if (lost && !sealed.values.empty())
    dropped_positions += static_cast<std::uint32_t>(chunk.tokens.size());
  make_durable();
}

/// Durable is what has no gap before it.
void conversation_writer::make_durable() {
  auto before = stored_next;
  while (written.erase(stored_next) != 0)
    ++stored_next;
  if (stored_next == before) return;
  auto end = first_position(stored_next - 1) +
             log.chunk(stored_next - 1).tokens.size();
  caf::anon_send(view->catalog, positions_made_durable{
                                    record.id, static_cast<position_t>(end)});
}

void conversation_writer::commit_end(std::function<void()> then) {
  closing = true;
  record.state = *ended_as;
  record.positions = log.size();
  std::vector<write_op> ops{put_conversation{record}};
  for (auto i = first_written; i < log.chunks().size(); ++i)
    ops.push_back(put_chunk{record.id, i, log.chunk(i), {}, nullptr});
  write(std::move(ops), [this, then](const result<ops_written>& outcome) {
    if (outcome && !not_durable)
      caf::anon_send(view->catalog,
                     positions_made_durable{record.id, log.size()});
    then();
  });
}

void conversation_writer::write(std::vector<write_op> ops,
                                written_handler then) {
  ++outstanding;
  ask_disk(
      view->disk,
      write_ops{std::make_shared<const std::vector<write_op>>(std::move(ops))},
      [this, then](const result<ops_written>& outcome) {
        --outstanding;
        if (!outcome) lose_durability(outcome.error());
        then(outcome);
        settled();
      });
}

void conversation_writer::mark(std::uint32_t index, const digest& chunk_name,
                               std::optional<presence> activations,
                               std::optional<presence> records) {
  mark_chunk m{record.id, index, chunk_name, activations, records};
  note(m);
  caf::anon_send(view->catalog, m);
}

void conversation_writer::note(const mark_chunk& m) {
  if (m.index >= log.chunks().size()) return;
  auto& chunk = log.chunk(m.index);
  if (chunk.name != m.name) return;
  if (m.activations) mark_activations(chunk, *m.activations, m.only);
  if (m.lens) chunk.lens = *m.lens;
}

void conversation_writer::amend_record(
    const amend_turn& m, std::function<void(const acknowledgement&)> then) {
  record.pinned = m.pinned;
  record.group = m.group;
  write({put_conversation{record}}, [then](const result<ops_written>& outcome) {
    then(outcome ? acknowledgement(acknowledged{})
                 : failed_with<acknowledged>(outcome.error()));
  });
}

void conversation_writer::lose_durability(const error& why) {
  if (!not_durable) not_durable = why;
}

}  // namespace lamina

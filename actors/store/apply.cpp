#include "actors/store/apply.hpp"

#include <algorithm>
#include <cstring>

#include "actors/store/references.hpp"
#include "actors/store/sealed.hpp"
#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

// A value that is there is left alone unless the new one is better: in a chunk
// that is written along a new path it is the same already; one that was
// computed again may replace a damaged one.
enum class equal_rows { keep, replace };

std::string name_of(conversation_id id) {
  return "conversation " + std::to_string(id);
}

error no_conversation(conversation_id id) {
  return {error_code::not_found, "no " + name_of(id)};
}

result<void> write_conversation(write_transaction& txn,
                                const conversation_record& record) {
  const auto key = key_of(record.id);
  return txn.put(txn.in().conversations, key, seal(key, encode(record)));
}

result<void> write_chunk(write_transaction& txn, conversation_id id,
                         std::uint32_t index, const chunk_record& record) {
  const auto key = key_of(id, index);
  return txn.put(txn.in().chunks, key, seal(key, encode(record)));
}

result<bool> exists(write_transaction& txn, conversation_id id) {
  BOOST_OUTCOME_TRY(found, txn.get(txn.in().conversations, key_of(id)));
  return found.has_value();
}

result<std::optional<chunk_record>> read_chunk(write_transaction& txn,
                                               conversation_id id,
                                               std::uint32_t index) {
  const auto key = key_of(id, index);
  BOOST_OUTCOME_TRY(found, txn.get(txn.in().chunks, key));
  if (!found) return std::optional<chunk_record>();
  BOOST_OUTCOME_TRY(record, open_chunk(key, *found));
  return std::optional<chunk_record>(std::move(record));
}

// ---- values and lens records ----------------------------------------------

result<void> check_values(const digest& name,
                          std::span<const stored_value_ptr> values) {
  for (const auto& value : values) {
    if (value == nullptr)
      return fail(error_code::invalid_argument,
                  "chunk " + to_string(name) + ": a value is null");
    if (value->key.chunk != name)
      return fail(error_code::invalid_argument,
                  "chunk " + to_string(name) + ": a value is of chunk " +
                      to_string(value->key.chunk));
    if (value->rows < 1 || value->rows > chunk_positions)
      return fail(error_code::invalid_argument,
                  "chunk " + to_string(name) + ": a value of " +
                      std::to_string(value->rows) + " rows");
  }
  return success();
}

result<void> write_value(write_transaction& txn, const stored_value& value,
                         equal_rows policy, commit_report& report) {
  const auto key = key_of(value.key);
  BOOST_OUTCOME_TRY(there, txn.get(txn.in().values, key));
  if (there) {
    const std::uint32_t rows = rows_of(*there);
    const byte_view bytes = stored_bytes_of(*there);
    if (rows > value.rows ||
        (rows == value.rows && (policy == equal_rows::keep ||
                                std::ranges::equal(bytes, value.bytes)))) {
      report.values_shared += 1;
      return success();
    }
    txn.totals().value_bytes -= bytes.size();
  }
  BOOST_OUTCOME_TRY(room, txn.reserve(txn.in().values, key,
                                      value_prefix_bytes + value.bytes.size()));
  std::memcpy(room.data(), &value.rows, value_prefix_bytes);
  std::ranges::copy(value.bytes, room.begin() + value_prefix_bytes);
  txn.totals().value_bytes += value.bytes.size();
  report.values_written += 1;
  report.bytes_written += value.bytes.size();
  return success();
}

result<void> write_values(write_transaction& txn,
                          std::span<const stored_value_ptr> values,
                          equal_rows policy, commit_report& report) {
  for (const auto& value : values) {
    BOOST_OUTCOME_TRYV(write_value(txn, *value, policy, report));
  }
  return success();
}

result<void> merge_lens(write_transaction& txn, const digest& name,
                        const lens_block_ptr& lens, commit_report& report) {
  if (lens == nullptr) return success();
  const auto key = key_of(name);
  BOOST_OUTCOME_TRY(there, txn.get(txn.in().lens, key));
  lens_block merged = make_lens_block(lens->layers);
  if (there) {
    auto block = open_lens(name, *there);
    // A damaged one, or one of other layers, gives way to the new.
    if (block.has_value() && block.value().layers == lens->layers)
      merged = std::move(block).value();
  }
  const auto before = std::pair(merged.complete, merged.rated);
  merge(merged, *lens);
  if (before == std::pair(merged.complete, merged.rated)) return success();
  const auto record = seal(key, encode(merged));
  report.bytes_written += record.size();
  return txn.put(txn.in().lens, key, record);
}

// ---- operations ------------------------------------------------------------

result<void> run(write_transaction& txn, const put_conversation& op,
                 commit_report&) {
  const auto key = key_of(op.record.id);
  BOOST_OUTCOME_TRY(there, txn.get(txn.in().conversations, key));
  if (there) {
    const auto before = open_conversation(key, *there);
    // A turn that is still syncing may speak after the next one has begun.
    if (before.has_value() && before.value().turns > op.record.turns)
      return success();
  }
  return write_conversation(txn, op.record);
}

result<void> check_chunk(const chunk_record& record) {
  const std::size_t tokens = record.tokens.size();
  if (tokens < 1 || tokens > chunk_positions ||
      (record.full && tokens != chunk_positions))
    return fail(error_code::invalid_argument,
                "chunk " + to_string(record.name) + ": a " +
                    (record.full ? "full" : "tail") + " record of " +
                    std::to_string(tokens) + " tokens");
  return success();
}

result<void> run(write_transaction& txn, const put_chunk& op,
                 commit_report& report) {
  const chunk_record& record = op.record;
  BOOST_OUTCOME_TRYV(check_chunk(record));
  BOOST_OUTCOME_TRYV(check_values(record.name, op.values));
  BOOST_OUTCOME_TRY(known, exists(txn, op.conversation));
  if (!known) return no_conversation(op.conversation);
  auto there = read_chunk(txn, op.conversation, op.index);
  // A damaged record gives way to the new one. Whose reference it held is
  // lost with it; one too many keeps bytes, one too few would lose them.
  if (there.has_error() && there.error().code != error_code::corrupt)
    return there.error();
  const auto before =
      there.has_value() ? std::move(there).value() : std::nullopt;

  const bool late =
      before && !record.full && record.tokens.size() < before->tokens.size();
  if (late && before->name != record.name) return success();
  if (!late) {
    if (!before || before->name != record.name) {
      BOOST_OUTCOME_TRYV(acquire(txn, record.name));
      if (before) {
        BOOST_OUTCOME_TRYV(release(txn, before->name));
      }
    }
    BOOST_OUTCOME_TRYV(write_chunk(txn, op.conversation, op.index, record));
  }
  BOOST_OUTCOME_TRYV(write_values(txn, op.values, equal_rows::keep, report));
  return merge_lens(txn, record.name, op.lens, report);
}

result<void> run(write_transaction& txn, const put_lens& op,
                 commit_report& report) {
  BOOST_OUTCOME_TRY(count, reference_count(txn, op.name));
  if (count == 0) return success();
  return merge_lens(txn, op.name, op.lens, report);
}

result<void> run(write_transaction& txn, const put_values& op,
                 commit_report& report) {
  BOOST_OUTCOME_TRYV(check_values(op.name, op.values));
  BOOST_OUTCOME_TRY(count, reference_count(txn, op.name));
  if (count == 0)
    return fail(error_code::not_found,
                "no conversation refers to chunk " + to_string(op.name));
  return write_values(txn, op.values, equal_rows::replace, report);
}

// The source's chunks up to `position`, the last one cut.
result<std::vector<chunk_record>> chunks_up_to(write_transaction& txn,
                                               conversation_id source,
                                               position_t position) {
  std::vector<chunk_record> chunks;
  for (std::uint32_t i = 0; first_position(i) < position; ++i) {
    BOOST_OUTCOME_TRY(chunk, read_chunk(txn, source, i));
    const std::size_t wanted =
        std::min(position - first_position(i), chunk_positions);
    if (!chunk || chunk->tokens.size() < wanted)
      return fail(error_code::out_of_range,
                  name_of(source) + " is not stored up to position " +
                      std::to_string(position));
    chunk->tokens.resize(wanted);
    chunk->full = chunk->full && wanted == chunk_positions;
    chunks.push_back(std::move(*chunk));
  }
  return chunks;
}

result<void> run(write_transaction& txn, const fork_conversation& op,
                 commit_report&) {
  BOOST_OUTCOME_TRY(source_known, exists(txn, op.source));
  if (!source_known) return no_conversation(op.source);
  BOOST_OUTCOME_TRY(taken, exists(txn, op.record.id));
  if (taken)
    return fail(error_code::already_exists,
                name_of(op.record.id) + " exists already");
  BOOST_OUTCOME_TRY(chunks, chunks_up_to(txn, op.source, op.record.forked_at));

  conversation_record record = op.record;
  record.parent = op.source;
  record.positions = record.forked_at;
  for (std::uint32_t i = 0; i < chunks.size(); ++i) {
    BOOST_OUTCOME_TRYV(acquire(txn, chunks[i].name));
    BOOST_OUTCOME_TRYV(write_chunk(txn, record.id, i, chunks[i]));
  }
  return write_conversation(txn, record);
}

result<void> run(write_transaction& txn, const delete_conversation& op,
                 commit_report&) {
  BOOST_OUTCOME_TRY(known, exists(txn, op.id));
  if (!known) return no_conversation(op.id);
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().chunks, key_of(op.id)));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(record, txn.get(txn.in().chunks, key));
    // A damaged record no longer says whose reference it holds: what that
    // name holds stays, and the conversation goes all the same.
    const auto chunk = open_chunk(key, record.value_or(byte_view()));
    if (chunk.has_value()) {
      BOOST_OUTCOME_TRYV(release(txn, chunk.value().name));
    }
    BOOST_OUTCOME_TRYV(txn.remove(txn.in().chunks, key));
  }
  return txn.remove(txn.in().conversations, key_of(op.id));
}

}  // namespace

result<void> apply(write_transaction& txn, const write_op& op,
                   commit_report& report) {
  return std::visit(
      [&](const auto& one) -> result<void> { return run(txn, one, report); },
      op);
}

result<void> interrupt_running_turns(write_transaction& txn) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().conversations, {}));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(record, txn.get(txn.in().conversations, key));
    auto opened = open_conversation(key, record.value_or(byte_view()));
    // A damaged record is the reader's to report.
    if (opened.has_error() || opened.value().state != turn_state::running)
      continue;
    opened.value().state = turn_state::interrupted;
    BOOST_OUTCOME_TRYV(write_conversation(txn, opened.value()));
  }
  return success();
}

result<void> remove_value(write_transaction& txn, byte_view key) {
  BOOST_OUTCOME_TRY(record, txn.get(txn.in().values, key));
  if (!record) return success();
  txn.totals().value_bytes -= stored_bytes_of(*record).size();
  return txn.remove(txn.in().values, key);
}

}  // namespace lamina

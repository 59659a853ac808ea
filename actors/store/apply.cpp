#include "actors/store/apply.hpp"

#include <algorithm>

#include "actors/store/books.hpp"
#include "actors/store/conversations.hpp"
#include "actors/store/holdings.hpp"

namespace lamina {
namespace {

error no_conversation(conversation_id id) {
  return {error_code::not_found, "no " + name_of(id)};
}

result<void> run(write_transaction& txn, const put_conversation& op,
                 commit_report&) {
  const auto there = read_conversation(txn, op.record.id);
  if (txn.failure()) return *txn.failure();
  if (there.has_error() || !there.value())
    return write_conversation(txn, op.record);
  const conversation_record& before = *there.value();
  // A turn that is still syncing may speak after the next one has begun.
  if (before.turns > op.record.turns) return success();
  conversation_record record = op.record;
  record.accessed_unix_ms =
      std::max(record.accessed_unix_ms, before.accessed_unix_ms);
  return write_conversation(txn, record);
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

// A chunk that brings nothing relies on what others have left under its name.
// Whatever of that went before this one came to refer to it is not there.
result<chunk_record> as_held(write_transaction& txn, const put_chunk& op) {
  chunk_record record = op.record;
  if (!op.values.empty() && op.lens != nullptr) return record;
  BOOST_OUTCOME_TRY(name, read_name(txn, record.name));
  if (op.values.empty() && name.held.value_bytes == 0)
    for (presence* p : {&record.embed, &record.resid_post, &record.final_norm})
      if (*p == presence::present) *p = presence::evicted;
  if (op.lens == nullptr && name.held.lens_bytes == 0 &&
      record.lens == presence::present)
    record.lens = presence::on_demand;
  return record;
}

result<void> run(write_transaction& txn, const put_chunk& op,
                 commit_report& report) {
  BOOST_OUTCOME_TRY(record, as_held(txn, op));
  BOOST_OUTCOME_TRYV(check_chunk(record));
  BOOST_OUTCOME_TRYV(check_values(record.name, op.values));
  BOOST_OUTCOME_TRYV(check_books(txn, op.values));
  BOOST_OUTCOME_TRY(known, exists(txn, op.conversation));
  if (!known) return no_conversation(op.conversation);
  if (op.index > 0) {
    BOOST_OUTCOME_TRY(before, txn.find(txn.in().chunks,
                                       key_of(op.conversation, op.index - 1)));
    if (!before)
      return fail(error_code::out_of_range, name_of(op.conversation) +
                                                " is not stored up to chunk " +
                                                std::to_string(op.index));
  }
  auto there = read_chunk(txn, op.conversation, op.index);
  // A damaged record gives way to the new one. Whose reference it held is
  // lost with it: one too many keeps bytes, until a repair finds it.
  if (there.has_error() && there.error().code != error_code::corrupt)
    return there.error();
  const referrer by{op.conversation, op.index};
  const auto before =
      there.has_value() ? std::move(there).value() : std::nullopt;

  const bool late =
      before && !record.full && record.tokens.size() < before->tokens.size();
  if (late && before->name != record.name) return success();
  if (!late) {
    BOOST_OUTCOME_TRYV(acquire(txn, record.name, by));
    if (before && before->name != record.name) {
      BOOST_OUTCOME_TRYV(release(txn, before->name, by));
    }
    BOOST_OUTCOME_TRYV(write_chunk(txn, op.conversation, op.index, record));
  }
  BOOST_OUTCOME_TRYV(
      write_values(txn, record.name, op.values, equal_rows::keep, report));
  return merge_lens(txn, record.name, op.lens, report);
}

result<void> run(write_transaction& txn, const cut_chunks& op, commit_report&) {
  return remove_chunks(txn, op.conversation, op.from);
}

result<void> run(write_transaction& txn, const put_lens& op,
                 commit_report& report) {
  BOOST_OUTCOME_TRY(name, read_name(txn, op.name));
  if (name.references == 0) return success();
  return merge_lens(txn, op.name, op.lens, report);
}

result<void> run(write_transaction& txn, const put_values& op,
                 commit_report& report) {
  BOOST_OUTCOME_TRYV(check_values(op.name, op.values));
  BOOST_OUTCOME_TRYV(check_books(txn, op.values));
  BOOST_OUTCOME_TRY(name, read_name(txn, op.name));
  if (name.references == 0)
    return fail(error_code::not_found,
                "no conversation refers to chunk " + to_string(op.name));
  return write_values(txn, op.name, op.values, equal_rows::replace, report);
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
    BOOST_OUTCOME_TRYV(acquire(txn, chunks[i].name, {record.id, i}));
    BOOST_OUTCOME_TRYV(write_chunk(txn, record.id, i, chunks[i]));
  }
  return write_conversation(txn, record);
}

result<void> run(write_transaction& txn, const delete_conversation& op,
                 commit_report&) {
  BOOST_OUTCOME_TRY(known, exists(txn, op.id));
  if (!known) return no_conversation(op.id);
  return remove_conversation(txn, op.id);
}

result<void> run(write_transaction& txn, const touch_conversations& op,
                 commit_report&) {
  for (const auto& use : op.uses) {
    const auto there = read_conversation(txn, use.id);
    if (txn.failure()) return *txn.failure();
    // Gone, or damaged: then the reader reports it.
    if (there.has_error() || !there.value() ||
        there.value()->accessed_unix_ms >= use.at_unix_ms)
      continue;
    conversation_record record = *there.value();
    record.accessed_unix_ms = use.at_unix_ms;
    BOOST_OUTCOME_TRYV(write_conversation(txn, record));
  }
  return success();
}

result<void> run(write_transaction& txn, const put_book& op,
                 commit_report& report) {
  BOOST_OUTCOME_TRYV(write_book(txn, op.book));
  report.bytes_written += op.book.bytes.size();
  return success();
}

}  // namespace

result<void> apply(write_transaction& txn, const write_op& op,
                   commit_report& report) {
  return std::visit(
      [&](const auto& one) -> result<void> { return run(txn, one, report); },
      op);
}

}  // namespace lamina

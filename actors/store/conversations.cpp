#include "actors/store/conversations.hpp"

#include "actors/store/names.hpp"
#include "actors/store/sealed.hpp"
#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

bool keeps_everything(const conversation_record& r) {
  return r.pinned || r.state == turn_state::running;
}

// What this conversation has kept from being evicted is now for whoever of
// those that share it used it last.
result<void> stir_sharers(write_transaction& txn, conversation_id id) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().chunks, key_of(id)));
  for (const auto& key : keys) {
    const auto chunk =
        read_chunk(txn, id, big_endian_at<std::uint32_t>(key, 8));
    if (txn.failure()) return *txn.failure();
    if (chunk.has_error() || !chunk.value()) continue;
    BOOST_OUTCOME_TRY(referrers, referrers_of(txn, chunk.value()->name));
    for (const referrer& r : referrers)
      txn.stirred().insert(r.conversation);
  }
  return success();
}

}  // namespace

std::string name_of(conversation_id id) {
  return "conversation " + std::to_string(id);
}

result<bool> exists(write_transaction& txn, conversation_id id) {
  BOOST_OUTCOME_TRY(found, txn.find(txn.in().conversations, key_of(id)));
  return found.has_value();
}

result<std::optional<conversation_record>> read_conversation(
    write_transaction& txn, conversation_id id) {
  const auto key = key_of(id);
  BOOST_OUTCOME_TRY(found, txn.get(txn.in().conversations, key));
  if (!found) return std::optional<conversation_record>();
  BOOST_OUTCOME_TRY(record, open_conversation(key, *found));
  return std::optional(std::move(record));
}

result<void> write_conversation(write_transaction& txn,
                                const conversation_record& record) {
  const auto before = read_conversation(txn, record.id);
  if (txn.failure()) return *txn.failure();
  // Where a damaged record stood in the order is lost with it: the walk over
  // the order drops entries that no record stands by.
  const bool was = before.has_value() && before.value();
  const access_entry now{record.accessed_unix_ms, record.id};
  if (was && before.value()->accessed_unix_ms != now.at_unix_ms) {
    BOOST_OUTCOME_TRYV(txn.remove(
        txn.in().access,
        key_of(access_entry{before.value()->accessed_unix_ms, record.id})));
  }
  if (was && keeps_everything(*before.value()) && !keeps_everything(record)) {
    BOOST_OUTCOME_TRYV(stir_sharers(txn, record.id));
  }
  BOOST_OUTCOME_TRYV(txn.put(txn.in().access, key_of(now), {}));
  txn.stirred().insert(record.id);
  const auto key = key_of(record.id);
  return txn.put(txn.in().conversations, key, seal(key, encode(record)));
}

result<std::optional<chunk_record>> read_chunk(write_transaction& txn,
                                               conversation_id id,
                                               std::uint32_t index) {
  const auto key = key_of(id, index);
  BOOST_OUTCOME_TRY(found, txn.get(txn.in().chunks, key));
  if (!found) return std::optional<chunk_record>();
  BOOST_OUTCOME_TRY(record, open_chunk(key, *found));
  return std::optional(std::move(record));
}

result<void> write_chunk(write_transaction& txn, conversation_id id,
                         std::uint32_t index, const chunk_record& record) {
  const auto key = key_of(id, index);
  return txn.put(txn.in().chunks, key, seal(key, encode(record)));
}

result<void> remove_chunks(write_transaction& txn, conversation_id id,
                           std::uint32_t from) {
  BOOST_OUTCOME_TRY(
      keys, txn.keys(txn.in().chunks, key_of(id), SIZE_MAX, key_of(id, from)));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(record, txn.get(txn.in().chunks, key));
    // A damaged record no longer says whose reference it holds: what that
    // name holds stays until a repair, and the conversation goes all the same.
    const auto chunk = open_chunk(key, record.value_or(byte_string()));
    if (chunk.has_value()) {
      BOOST_OUTCOME_TRYV(release(txn, chunk.value().name,
                                 {id, big_endian_at<std::uint32_t>(key, 8)}));
    }
    BOOST_OUTCOME_TRYV(txn.remove(txn.in().chunks, key));
  }
  return success();
}

result<void> remove_conversation(write_transaction& txn, conversation_id id) {
  BOOST_OUTCOME_TRYV(remove_chunks(txn, id, 0));
  const auto record = read_conversation(txn, id);
  if (txn.failure()) return *txn.failure();
  if (record.has_value() && record.value()) {
    BOOST_OUTCOME_TRYV(
        txn.remove(txn.in().access,
                   key_of(access_entry{record.value()->accessed_unix_ms, id})));
  }
  return txn.remove(txn.in().conversations, key_of(id));
}

result<void> interrupt_running_turns(write_transaction& txn) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().conversations, {}));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(record, txn.get(txn.in().conversations, key));
    auto opened = open_conversation(key, record.value_or(byte_string()));
    // A damaged record is the reader's to report.
    if (opened.has_error() || opened.value().state != turn_state::running)
      continue;
    opened.value().state = turn_state::interrupted;
    BOOST_OUTCOME_TRYV(write_conversation(txn, opened.value()));
  }
  return success();
}

}  // namespace lamina

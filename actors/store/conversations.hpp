// Conversation and chunk records inside a write transaction. The access order
// follows the conversations' records: whoever writes one writes it here.
#pragma once

#include "actors/store/keys.hpp"
#include "actors/store/transaction.hpp"

namespace lamina {

std::string name_of(conversation_id id);

result<bool> exists(write_transaction& txn, conversation_id id);

/// corrupt when it is there but damaged.
result<std::optional<conversation_record>> read_conversation(
    write_transaction& txn, conversation_id id);

/// Creates or replaces a record, and moves it in the access order.
result<void> write_conversation(write_transaction& txn,
                                const conversation_record& record);

result<std::optional<chunk_record>> read_chunk(write_transaction& txn,
                                               conversation_id id,
                                               std::uint32_t index);
result<void> write_chunk(write_transaction& txn, conversation_id id,
                         std::uint32_t index, const chunk_record& record);

/// Removes the chunk records from index `from` on and gives up their
/// references.
result<void> remove_chunks(write_transaction& txn, conversation_id id,
                           std::uint32_t from);

/// Removes the records and gives up the references.
result<void> remove_conversation(write_transaction& txn, conversation_id id);

/// Turns that were running when the store was last closed become interrupted.
result<void> interrupt_running_turns(write_transaction& txn);

}  // namespace lamina

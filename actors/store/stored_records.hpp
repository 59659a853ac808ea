// Records as they lie in the databases: sealed or prefixed bytes and back.
// The reader and the writer share them. Pure; any thread.
#pragma once

#include <memory>

#include "actors/store/keys.hpp"
#include "actors/store/records.hpp"
#include "actors/store/transaction.hpp"

namespace lamina {

/// corrupt errors name the conversation (and chunk index, or name) at fault.
result<conversation_record> open_conversation(byte_view key, byte_view record);
result<chunk_record> open_chunk(byte_view key, byte_view record);
result<lens_block> open_lens(const digest& name, byte_view record);

/// A record in `values` is the rows it holds, u32, then the stored value.
inline constexpr std::size_t value_prefix_bytes = sizeof(std::uint32_t);
/// 0 for a record too short to say.
std::uint32_t rows_of(byte_view value_record);
/// Empty for a record too short to hold one.
byte_view stored_bytes_of(byte_view value_record);

}  // namespace lamina

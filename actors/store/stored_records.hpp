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

/// A record in `values` is what a writer must know of it, then the stored
/// value: u32, the lowest byte the rows it holds, the others those of its
/// relative error as an f32, whose last byte is lost.
struct value_summary {
  std::uint32_t rows = 0;
  float relative_error = 0;  // 0: exact
};
inline constexpr std::size_t value_prefix_bytes = sizeof(std::uint32_t);
std::uint32_t pack(const value_summary& s);
/// No rows for a record too short to say.
value_summary summary_of(byte_view value_record);
/// Empty for a record too short to hold one.
byte_view stored_bytes_of(byte_view value_record);

}  // namespace lamina

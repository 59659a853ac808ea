// What a writer can ask of the store: one struct an operation. Operations of
// one commit are applied in order, in one transaction. Plain values.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "actors/chunks/lens_record.hpp"
#include "actors/chunks/stored_value.hpp"
#include "actors/store/records.hpp"

namespace lamina {

/// Creates or replaces a conversation's metadata. A record of fewer turns than
/// the one that is there is ignored: late news.
struct put_conversation {
  conversation_record record;
};

/// Writes chunk `index` of a conversation with what belongs to it. A record
/// that is there with another name gives up its reference to that name. An
/// open tail with fewer tokens than the record that is there is ignored: late
/// news. Values that exist with as many rows and no greater error are not
/// written again. A record that says `present` of what neither comes along nor
/// is there is corrected. Fails with not_found when the conversation is not
/// there (any more), and with out_of_range when the chunk before is not:
/// nothing behind a gap could be read again.
struct put_chunk {
  conversation_id conversation = 0;
  std::uint32_t index = 0;
  chunk_record record;
  std::vector<stored_value_ptr> values;
  lens_block_ptr lens;  // may be null
};

/// Removes the conversation's chunk records from index `from` on: a turn that
/// begins there takes the place of what a crash left behind a gap. Does nothing
/// when the conversation is not there.
struct cut_chunks {
  conversation_id conversation = 0;
  std::uint32_t from = 0;
};

/// Merges lens records into those of a chunk; ignored when nobody refers to
/// the name any more.
struct put_lens {
  digest name;
  lens_block_ptr lens;
};

/// Adds values to a chunk that is referred to, recomputed ones for example: one
/// with as many rows and the same error but other bytes replaces a value, for
/// it may be damaged; one with a greater error never does. Fails with not_found
/// when nobody refers to the name any more.
struct put_values {
  digest name;
  std::vector<stored_value_ptr> values;
};

/// Copies the first `record.forked_at` positions of `source` as `record`, and
/// sets its `positions` and `parent`. Full chunks are shared; a partial last
/// one refers to the source's chunk by name with fewer tokens.
struct fork_conversation {
  conversation_id source = 0;
  conversation_record record;
};

/// Removes the conversation at once; its references are given up, and what
/// nobody refers to any more is freed by `sweep`.
struct delete_conversation {
  conversation_id id = 0;
};

/// Conversations were used: the later of a given time and the one that is
/// there counts. Unknown ids are passed over, for they may just have gone.
struct touch_conversations {
  struct use {
    conversation_id id = 0;
    std::int64_t at_unix_ms = 0;
  };
  std::vector<use> uses;
};

/// Stores a code book. Values that name one are refused (not_found) until it is
/// there. One that is there stays.
struct put_book {
  book_record book;
};

using write_op =
    std::variant<put_conversation, put_chunk, cut_chunks, put_lens, put_values,
                 fork_conversation, delete_conversation, touch_conversations,
                 put_book>;

}  // namespace lamina

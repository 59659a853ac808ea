// Messages of the book learner, and what the supervisor hears of it.
#pragma once

#include "actors/chunks/raw_chunk.hpp"
#include "actors/codec/book_shelf.hpp"
#include "actors/messages/message.hpp"

namespace lamina {

/// Rows that a root's code book may be learned from. The reply, an
/// `acknowledged`, is the sender's credit for the next ones.
struct learn_rows {
  digest root;
  digest name;  // of the chunk: each counts once
  ready_rows rows;
};

/// A root has a code book, and it is synced: new values may name it.
struct book_learned {
  digest root;
  codebook_ptr book;
};

}  // namespace lamina

// The book learner: makes the code book of a provenance root from the first
// chunks that are kept with a loss, has it stored, and then tells the
// supervisor, whose next view has it. Until then values do without.
//
// By root and not by model: the book is the mean of activations, and all that
// they depend on besides the tokens is in the root (steering, an expert vector,
// dtypes). Lossless captures teach nothing, because they never name a book.
//
// Each full chunk counts once by its name, so that a system prompt that begins
// every conversation is not all that is learned. What was gathered is in memory
// only: a restart begins again. Own thread, low priority.
#pragma once

#include <caf/stateful_actor.hpp>
#include <map>
#include <set>

#include "actors/interfaces.hpp"
#include "actors/messages/book_learner.hpp"
#include "actors/store/records.hpp"
#include "actors/store/store.hpp"
#include "actors/view.hpp"

namespace lamina {

/// The shelf with what the store has of books. Damaged ones are logged and
/// left out: values that name them read as corrupt.
book_shelf_ptr shelve_all(store_reader& reader);

/// A stored book, as the codec reads it.
result<codebook_ptr> open_codebook(const book_record& record);

struct book_learner_state {
  using pointer = book_learner_actor::stateful_pointer<book_learner_state>;

  struct lesson {
    std::optional<codebook_learner> learner;
    std::set<digest> chunks;  // taken in
    codebook_ptr book;        // made, and not known to be stored
    bool storing = false;
  };

  explicit book_learner_state(pointer actor) : self(actor) {}

  void learn(const learn_rows& m);
  void put(const digest& root, lesson& of);

  static inline const char* name = "book_learner";
  pointer self;
  view_ptr view;
  std::map<digest, lesson> lessons;
};

book_learner_actor::behavior_type book_learner(book_learner_state::pointer self,
                                               view_ptr view);

}  // namespace lamina

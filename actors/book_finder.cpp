#include "actors/book_finder.hpp"

#include <string>

#include "actors/book_learner.hpp"

namespace lamina {

result<const codebook*> book_finder::find(std::uint64_t id,
                                          store_reader& reader) {
  if (id == 0) return nullptr;
  if (const auto* known = known_->find(id)) return known;
  BOOST_OUTCOME_TRY(stored, reader.book(id));
  if (!stored)
    return fail(error_code::not_found,
                "the code book " + std::to_string(id) + " is not stored");
  BOOST_OUTCOME_TRY(book, open_codebook(*stored));
  known_ = known_->with(stored->root, book);
  return known_->find(id);
}

}  // namespace lamina

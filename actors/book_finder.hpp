// Finds the code books that stored values name, each read from the store when
// it is met first. One per thread, as the reader it is given.
#pragma once

#include <cstdint>
#include <memory>

#include "actors/codec/book_shelf.hpp"
#include "actors/store/store.hpp"

namespace lamina {

class book_finder {
 public:
  /// Null for id 0, which is no book. not_found when the store has none of this
  /// id, corrupt when it is damaged; the message names the book.
  result<const codebook*> find(std::uint64_t id, store_reader& reader);

 private:
  book_shelf_ptr known_ = std::make_shared<const book_shelf>();
};

}  // namespace lamina

// The code books that there are at one moment: by id, for decoding, and by
// provenance root, for what is encoded from now on. A root has at most one that
// new values use. Immutable: a new book makes a new shelf. Shared by pointer;
// any thread may read it.
//
// A shelf that lacks a book may only be older than it: ask for a newer one
// before calling a value damaged.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "actors/chunks/digest.hpp"
#include "actors/codec/codebook.hpp"

namespace lamina {

using codebook_ptr = std::shared_ptr<const codebook>;

class book_shelf;
using book_shelf_ptr = std::shared_ptr<const book_shelf>;

class book_shelf {
 public:
  /// Null when it is not here; id 0 is no book.
  const codebook* find(std::uint64_t id) const;

  /// The one that new values of this root use; null: they do without.
  codebook_ptr of(const digest& root) const;

  std::size_t size() const { return by_id_.size(); }

  /// This shelf and one more. A root that has a book keeps it.
  book_shelf_ptr with(const digest& root, codebook_ptr book) const;

 private:
  std::map<std::uint64_t, codebook_ptr> by_id_;
  std::map<digest, codebook_ptr> by_root_;
};

}  // namespace lamina

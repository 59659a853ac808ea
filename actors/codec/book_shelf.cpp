#include "actors/codec/book_shelf.hpp"

#include <utility>

namespace lamina {

const codebook* book_shelf::find(std::uint64_t id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : at->second.get();
}

codebook_ptr book_shelf::of(const digest& root) const {
  const auto at = by_root_.find(root);
  return at == by_root_.end() ? nullptr : at->second;
}

book_shelf_ptr book_shelf::with(const digest& root, codebook_ptr book) const {
  auto more = std::make_shared<book_shelf>(*this);
  more->by_id_.emplace(book->id(), book);
  more->by_root_.emplace(root, std::move(book));
  return more;
}

}  // namespace lamina

// Code books in the store: what lossy values of a provenance root are decoded
// with. A book is written once under its id and never changes. `book_uses`
// counts the values that name each, in the transactions that write and remove
// values; a value that names a book which is not stored is refused.
//
// A book that no value names, and whose root no conversation has any more,
// goes when the store is opened: then nobody holds one to encode with. Used
// inside one write transaction, but for reading.
#pragma once

#include "actors/store/keys.hpp"
#include "actors/store/transaction.hpp"

namespace lamina {

inline database_key<8> key_of_book(std::uint64_t id) {
  database_key<8> key;
  put_big_endian(key, 0, id);
  return key;
}

/// Body of the sealed record, and back: corrupt names the id.
byte_string encode(const book_record& book);
result<book_record> open_book(byte_view key, byte_view record);

/// A book that is there stays as it is, unless it is damaged.
result<void> write_book(write_transaction& txn, const book_record& book);

/// not_found when one of the values names a book that is not stored.
result<void> check_books(write_transaction& txn,
                         std::span<const stored_value_ptr> values);

/// One more value names the book, or one less; id 0, and a book of which no use
/// was ever counted, change nothing.
result<void> count_book_use(write_transaction& txn, std::uint64_t id);
result<void> count_book_use_less(write_transaction& txn, std::uint64_t id);

/// Values that name the book.
result<std::uint64_t> uses_of_book(write_transaction& txn, std::uint64_t id);

/// True when one went.
result<bool> drop_unused_books(write_transaction& txn);

}  // namespace lamina

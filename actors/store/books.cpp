#include "actors/store/books.hpp"

#include <cstring>
#include <set>

#include "actors/chunks/little_endian.hpp"
#include "actors/store/sealed.hpp"
#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

constexpr std::uint16_t book_record_version = 1;

result<void> write_uses(write_transaction& txn, std::uint64_t id,
                        std::uint64_t uses) {
  const auto key = key_of_book(id);
  if (uses == 0) return txn.remove(txn.in().book_uses, key);
  return txn.put(txn.in().book_uses, key, std::as_bytes(std::span(&uses, 1)));
}

// Roots of conversations that can be read; damaged ones may have any, which
// `all` says.
struct roots_in_use {
  std::set<digest> roots;
  bool all = false;
};

result<roots_in_use> find_roots(write_transaction& txn) {
  roots_in_use found;
  BOOST_OUTCOME_TRY(at, cursor::open(txn.handle(), txn.in().conversations));
  BOOST_OUTCOME_TRY(more, at.next());
  while (more) {
    BOOST_OUTCOME_TRY(bytes, at.value().copy());
    const auto record = open_conversation(at.key(), bytes);
    if (record.has_value())
      found.roots.insert(record.value().root);
    else
      found.all = true;
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return found;
}

}  // namespace

byte_string encode(const book_record& book) {
  byte_writer out(18 + book.bytes.size());
  out.put(book_record_version)
      .put_bytes(std::as_bytes(std::span(book.root.bytes)))
      .put_bytes(book.bytes);
  return out.finish();
}

result<book_record> open_book(byte_view key, byte_view record) {
  book_record book;
  book.id = key.size() == 8 ? big_endian_at<std::uint64_t>(key, 0) : 0;
  const auto where = [&book] { return "code book " + std::to_string(book.id); };
  const auto body = unseal(key, record);
  if (body.has_error()) return within(where(), body.error());
  byte_reader in(body.value());
  const auto version = in.get<std::uint16_t>();
  const auto root = in.get_bytes(book.root.bytes.size());
  if (!in.ok())
    return fail(error_code::corrupt, where() + ": shorter than its header");
  if (version != book_record_version)
    return fail(error_code::unsupported_version,
                where() + ": record version " + std::to_string(version));
  std::memcpy(book.root.bytes.data(), root.data(), root.size());
  const auto bytes = in.get_bytes(in.left());
  book.bytes.assign(bytes.begin(), bytes.end());
  return book;
}

result<void> write_book(write_transaction& txn, const book_record& book) {
  const auto key = key_of_book(book.id);
  BOOST_OUTCOME_TRY(there, txn.get(txn.in().books, key));
  if (there && open_book(key, *there).has_value()) return success();
  return txn.put(txn.in().books, key, seal(key, encode(book)));
}

result<void> check_books(write_transaction& txn,
                         std::span<const stored_value_ptr> values) {
  std::uint64_t known = 0;  // the values of a chunk name one book, or none
  for (const auto& value : values) {
    const std::uint64_t id = book_named_by(value->bytes);
    if (id == known || id == 0) continue;
    BOOST_OUTCOME_TRY(there, txn.find(txn.in().books, key_of_book(id)));
    if (!there)
      return fail(error_code::not_found,
                  "a value of chunk " + to_string(value->key.chunk) +
                      " names the code book " + std::to_string(id) +
                      ", which is not stored");
    known = id;
  }
  return success();
}

result<std::uint64_t> uses_of_book(write_transaction& txn, std::uint64_t id) {
  BOOST_OUTCOME_TRY(found, txn.get(txn.in().book_uses, key_of_book(id)));
  std::uint64_t uses = 0;
  if (found && found->size() == sizeof uses)
    std::memcpy(&uses, found->data(), sizeof uses);
  return uses;
}

result<void> count_book_use(write_transaction& txn, std::uint64_t id) {
  if (id == 0) return success();
  BOOST_OUTCOME_TRY(uses, uses_of_book(txn, id));
  return write_uses(txn, id, uses + 1);
}

result<void> count_book_use_less(write_transaction& txn, std::uint64_t id) {
  if (id == 0) return success();
  BOOST_OUTCOME_TRY(uses, uses_of_book(txn, id));
  // Not counted: the bytes of a damaged value say anything.
  return uses == 0 ? result<void>(success()) : write_uses(txn, id, uses - 1);
}

result<bool> drop_unused_books(write_transaction& txn) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().books, {}));
  std::vector<byte_string> unused;
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(uses,
                      uses_of_book(txn, big_endian_at<std::uint64_t>(key, 0)));
    if (uses == 0) unused.push_back(key);
  }
  if (unused.empty()) return false;
  BOOST_OUTCOME_TRY(roots, find_roots(txn));
  bool dropped = false;
  for (const auto& key : unused) {
    BOOST_OUTCOME_TRY(record, txn.get(txn.in().books, key));
    const auto book = open_book(key, record.value_or(byte_string()));
    if (book.has_value() &&
        (roots.all || roots.roots.count(book.value().root) != 0))
      continue;
    BOOST_OUTCOME_TRYV(txn.remove(txn.in().books, key));
    dropped = true;
  }
  return dropped;
}

}  // namespace lamina

#include "actors/store/format.hpp"

#include <cstring>
#include <utility>

#include "actors/store/books.hpp"
#include "actors/store/conversations.hpp"
#include "actors/store/keys.hpp"
#include "actors/store/names.hpp"
#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

result<void> write_version(write_transaction& txn) {
  const std::uint32_t version = store_format_version;
  return txn.put(txn.in().format, key_of("version"),
                 std::as_bytes(std::span(&version, 1)));
}

// 0 for a store that has just been created.
result<std::uint32_t> read_version(write_transaction& txn,
                                   const environment& e) {
  BOOST_OUTCOME_TRY(found, txn.get(e.in.format, key_of("version")));
  std::uint32_t version = 0;
  if (!found) return version;
  if (found->size() != sizeof version)
    return fail(error_code::corrupt, e.directory.string() +
                                         ": the format version's record has "
                                         "the wrong length");
  std::memcpy(&version, found->data(), sizeof version);
  if (version > store_format_version)
    return fail(error_code::unsupported_version,
                e.directory.string() + " has format version " +
                    std::to_string(version) + "; this build reads up to " +
                    std::to_string(store_format_version));
  return version;
}

// ---- version 1 -------------------------------------------------------------

// Payload of what version 1 has too; later changes are counted as they happen.
result<void> count_payload(write_transaction& txn) {
  txn.totals() = {};
  const auto counted = txn.in().counted();
  for (std::size_t i = 0; i < counted.size(); ++i) {
    BOOST_OUTCOME_TRY(at, cursor::open(txn.handle(), counted[i]));
    BOOST_OUTCOME_TRY(more, at.next());
    while (more) {
      txn.totals()[i] += at.key().size() + at.value().size();
      BOOST_OUTCOME_TRY(another, at.next());
      more = another;
    }
  }
  return success();
}

result<void> note_held(write_transaction& txn, MDB_dbi in,
                       std::uint64_t held_bytes::*bytes) {
  BOOST_OUTCOME_TRY(keys, txn.keys(in, {}));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(value, txn.find(in, key));
    const std::size_t size = key.size() + (value ? value->size() : 0);
    BOOST_OUTCOME_TRY(record, read_name(txn, name_at(key)));
    record.held.*bytes += size;
    BOOST_OUTCOME_TRYV(write_name(txn, name_at(key), record));
  }
  return success();
}

result<void> note_references(write_transaction& txn) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().chunks, {}));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(record, txn.get(txn.in().chunks, key));
    const auto chunk = open_chunk(key, record.value_or(byte_string()));
    if (chunk.has_error()) continue;  // damaged: nobody knows its name
    BOOST_OUTCOME_TRYV(acquire(txn, chunk.value().name,
                               {big_endian_at<conversation_id>(key, 0),
                                big_endian_at<std::uint32_t>(key, 8)}));
  }
  return success();
}

// What no readable chunk refers to goes with the next sweep.
result<void> bury_the_rest(write_transaction& txn) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().names, {}));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(record, read_name(txn, name_at(key)));
    if (record.references != 0) continue;
    BOOST_OUTCOME_TRYV(txn.put(txn.in().tombstones, key, {}));
  }
  return success();
}

result<void> note_access(write_transaction& txn) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().conversations, {}));
  for (const auto& key : keys) {
    BOOST_OUTCOME_TRY(record, txn.get(txn.in().conversations, key));
    const auto opened = open_conversation(key, record.value_or(byte_string()));
    if (opened.has_error()) continue;
    BOOST_OUTCOME_TRYV(write_conversation(txn, opened.value()));
  }
  return success();
}

result<void> drop_counts(write_transaction& txn) {
  MDB_dbi counts = 0;
  const int rc = mdb_dbi_open(txn.handle(), "references", 0, &counts);
  if (rc == MDB_NOTFOUND) return success();
  if (rc != 0) return lmdb_error(rc, "open the database \"references\"");
  if (const int dropped = mdb_drop(txn.handle(), counts, 1))
    return lmdb_error(dropped, "drop the database \"references\"");
  return success();
}

result<void> migrate_from_1(write_transaction& txn) {
  BOOST_OUTCOME_TRYV(count_payload(txn));
  BOOST_OUTCOME_TRYV(note_held(txn, txn.in().values, &held_bytes::value_bytes));
  BOOST_OUTCOME_TRYV(note_held(txn, txn.in().lens, &held_bytes::lens_bytes));
  BOOST_OUTCOME_TRYV(note_references(txn));
  BOOST_OUTCOME_TRYV(bury_the_rest(txn));
  BOOST_OUTCOME_TRYV(note_access(txn));
  return drop_counts(txn);
}

}  // namespace

result<void> open_databases(environment& e) {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(e.env.get(), nullptr, 0, &txn))
    return lmdb_error(rc, "begin the first transaction");
  const std::pair<const char*, MDB_dbi*> wanted[] = {
      {"format", &e.in.format},       {"conversations", &e.in.conversations},
      {"chunks", &e.in.chunks},       {"values", &e.in.values},
      {"lens", &e.in.lens},           {"names", &e.in.names},
      {"referrers", &e.in.referrers}, {"tombstones", &e.in.tombstones},
      {"access", &e.in.access},       {"books", &e.in.books},
      {"book_uses", &e.in.book_uses},
  };
  for (const auto& [name, handle] : wanted)
    if (const int rc = mdb_dbi_open(txn, name, MDB_CREATE, handle)) {
      mdb_txn_abort(txn);
      return lmdb_error(rc, "open the database \"" + std::string(name) + '"');
    }
  if (const int rc = mdb_txn_commit(txn))
    return lmdb_error(rc, "commit the first transaction");
  return success();
}

result<void> prepare_format(environment& e) {
  BOOST_OUTCOME_TRYV(open_databases(e));
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(e));
  BOOST_OUTCOME_TRY(version, read_version(txn, e));
  if (version == store_format_version) {
    BOOST_OUTCOME_TRY(dropped, drop_unused_books(txn));
    return dropped ? txn.commit() : result<void>(success());
  }
  // Version 2 is the same without code books, and its totals end before theirs;
  // version 3 is the same without owners that are tokens, and without groups.
  if (version == 1) {
    BOOST_OUTCOME_TRYV(migrate_from_1(txn));
  }
  if (version != 0) e.opened.migrated_from = version;
  BOOST_OUTCOME_TRYV(write_version(txn));
  return txn.commit();
}

}  // namespace lamina

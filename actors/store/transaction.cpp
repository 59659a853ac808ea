#include "actors/store/transaction.hpp"

#include "actors/chunks/little_endian.hpp"
#include "actors/store/keys.hpp"

namespace lamina {
namespace {

// LMDB's structs have no const; it does not write through them.
MDB_val to_lmdb(byte_view bytes) {
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};
}

byte_view from_lmdb(const MDB_val& v) {
  return {static_cast<const std::byte*>(v.mv_data), v.mv_size};
}

}  // namespace

result<std::optional<byte_view>> get(MDB_txn* txn, MDB_dbi in, byte_view key) {
  MDB_val k = to_lmdb(key), v;
  const int rc = mdb_get(txn, in, &k, &v);
  if (rc == MDB_NOTFOUND) return std::optional<byte_view>();
  if (rc != 0) return lmdb_error(rc, "read a record");
  return std::optional<byte_view>(from_lmdb(v));
}

result<cursor> cursor::open(MDB_txn* txn, MDB_dbi in) {
  MDB_cursor* c = nullptr;
  if (const int rc = mdb_cursor_open(txn, in, &c))
    return lmdb_error(rc, "open a cursor");
  return cursor(c);
}

result<bool> cursor::move(MDB_cursor_op op, byte_view key) {
  MDB_val k = to_lmdb(key), v{};
  const int rc = mdb_cursor_get(cursor_.get(), &k, &v, op);
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return lmdb_error(rc, "walk over records");
  key_ = from_lmdb(k);
  value_ = from_lmdb(v);
  return true;
}

result<bool> cursor::seek(byte_view key) {
  return move(MDB_SET_RANGE, key);
}
result<bool> cursor::next() {
  return move(MDB_NEXT, {});
}

result<std::vector<std::vector<std::byte>>> keys_with_prefix(
    MDB_txn* txn, MDB_dbi in, byte_view prefix, std::size_t count_max) {
  std::vector<std::vector<std::byte>> keys;
  BOOST_OUTCOME_TRY(at, cursor::open(txn, in));
  // LMDB does not seek to an empty key.
  BOOST_OUTCOME_TRY(more, prefix.empty() ? at.next() : at.seek(prefix));
  while (more && starts_with(at.key(), prefix) && keys.size() < count_max) {
    keys.emplace_back(at.key().begin(), at.key().end());
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return keys;
}

result<store_totals> read_totals(MDB_txn* txn, const databases& in) {
  BOOST_OUTCOME_TRY(found, get(txn, in.format, key_of("totals")));
  store_totals totals;
  if (!found) return totals;
  byte_reader reader(*found);
  totals.references = reader.get<std::uint64_t>();
  totals.value_bytes = reader.get<std::uint64_t>();
  return totals;
}

result<write_transaction> write_transaction::begin(environment& env) {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(env.env.get(), nullptr, 0, &txn))
    return lmdb_error(rc, "begin a write transaction");
  write_transaction begun(env, txn);
  BOOST_OUTCOME_TRY(totals, read_totals(txn, env.in));
  begun.totals_ = totals;
  return begun;
}

error write_transaction::failed(int code, std::string_view operation) {
  error e = lmdb_error(code, operation);
  // LMDB reports a write that the disk cut short as EIO.
  std::error_code ignored;
  if (code == EIO &&
      std::filesystem::space(env_->directory, ignored).available < (1u << 20))
    e.code = error_code::disk_full;
  if (!failure_) failure_ = e;
  return e;
}

template <class T>
result<T> write_transaction::noted(result<T> r) {
  if (r.has_error() && !failure_) failure_ = r.error();
  return r;
}

result<std::optional<byte_view>> write_transaction::get(MDB_dbi in,
                                                        byte_view key) {
  return noted(lamina::get(txn_.get(), in, key));
}

result<std::vector<std::vector<std::byte>>> write_transaction::keys(
    MDB_dbi in, byte_view prefix, std::size_t count_max) {
  return noted(keys_with_prefix(txn_.get(), in, prefix, count_max));
}

result<void> write_transaction::put(MDB_dbi in, byte_view key,
                                    byte_view value) {
  MDB_val k = to_lmdb(key), v = to_lmdb(value);
  if (const int rc = mdb_put(txn_.get(), in, &k, &v, 0))
    return failed(rc, "write a record");
  return success();
}

result<std::span<std::byte>> write_transaction::reserve(MDB_dbi in,
                                                        byte_view key,
                                                        std::size_t bytes) {
  MDB_val k = to_lmdb(key), v{bytes, nullptr};
  if (const int rc = mdb_put(txn_.get(), in, &k, &v, MDB_RESERVE))
    return failed(rc, "write a value");
  return std::span(static_cast<std::byte*>(v.mv_data), v.mv_size);
}

result<void> write_transaction::remove(MDB_dbi in, byte_view key) {
  MDB_val k = to_lmdb(key);
  const int rc = mdb_del(txn_.get(), in, &k, nullptr);
  if (rc != 0 && rc != MDB_NOTFOUND) return failed(rc, "remove a record");
  return success();
}

result<void> write_transaction::commit() {
  byte_writer totals(16);
  totals.put(totals_.references).put(totals_.value_bytes);
  BOOST_OUTCOME_TRYV(put(env_->in.format, key_of("totals"), totals.finish()));
  if (const int rc = mdb_txn_commit(txn_.release()))
    return failed(rc, "commit a transaction");
  return success();
}

}  // namespace lamina

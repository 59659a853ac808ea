#include "actors/store/transaction.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include "actors/chunks/little_endian.hpp"
#include "actors/store/keys.hpp"
#include "actors/store/mapped.hpp"

namespace lamina {
namespace {

// LMDB's structs have no const; it does not write through them.
MDB_val to_lmdb(byte_view bytes) {
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};
}

// The disk is full, or the file has grown to what this process may write.
bool has_no_room(const environment& env) {
  constexpr std::uint64_t room = 1u << 20;
  std::error_code failed;
  if (std::filesystem::space(env.directory, failed).available < room)
    return true;
  rlimit limit{};
  const auto size = std::filesystem::file_size(env.file(), failed);
  return !failed && ::getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
         limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size + room;
}

// Runs one call of LMDB's; its code, or the error of a page that is gone.
template <class Call>
result<int> guarded_call(MDB_txn* txn, Call call) {
  int code = 0;
  if (!guarded([&code, &call] { code = call(); })) return bus_error(txn);
  return code;
}

}  // namespace

// ---- reading ---------------------------------------------------------------

result<byte_string> mapped_bytes::copy(std::size_t from,
                                       std::size_t count) const {
  byte_string into;
  BOOST_OUTCOME_TRYV(copy_into(into, from, count));
  return into;
}

result<void> mapped_bytes::copy_into(byte_string& into, std::size_t from,
                                     std::size_t count) const {
  from = std::min(from, at_.mv_size);
  const std::size_t bytes = std::min(count, at_.mv_size - from);
  const auto* source = static_cast<const std::byte*>(at_.mv_data) + from;
  into.clear();
  into.reserve(bytes);
  // The room is there, so this is one copy: nothing is cleared before, and
  // nothing is taken or freed inside the guard.
  byte_string* const target = &into;
  if (bytes != 0 && !guarded([target, source, bytes] {
        target->insert(target->end(), source, source + bytes);
      }))
    return bus_error(txn_);
  return success();
}

result<std::optional<mapped_bytes>> find(MDB_txn* txn, MDB_dbi in,
                                         byte_view key) {
  MDB_val k = to_lmdb(key), v{};
  BOOST_OUTCOME_TRY(
      rc, guarded_call(txn, [&, txn, in] { return mdb_get(txn, in, &k, &v); }));
  if (rc == MDB_NOTFOUND) return std::optional<mapped_bytes>();
  if (rc != 0) return lmdb_error(rc, "read a record");
  return std::optional(mapped_bytes(txn, v));
}

result<std::optional<byte_string>> get(MDB_txn* txn, MDB_dbi in,
                                       byte_view key) {
  BOOST_OUTCOME_TRY(found, find(txn, in, key));
  if (!found) return std::optional<byte_string>();
  BOOST_OUTCOME_TRY(bytes, found->copy());
  return std::optional<byte_string>(std::move(bytes));
}

result<cursor> cursor::open(MDB_txn* txn, MDB_dbi in) {
  MDB_cursor* c = nullptr;
  BOOST_OUTCOME_TRY(rc, guarded_call(txn, [&c, txn, in] {
                      return mdb_cursor_open(txn, in, &c);
                    }));
  if (rc != 0) return lmdb_error(rc, "open a cursor");
  return cursor(txn, c);
}

result<bool> cursor::move(MDB_cursor_op op, byte_view key) {
  MDB_val k = to_lmdb(key), v{};
  key_.resize(
      static_cast<std::size_t>(mdb_env_get_maxkeysize(mdb_txn_env(txn_))));
  MDB_cursor* const at = cursor_.get();
  std::byte* const copied = key_.data();
  const std::size_t room = key_.size();
  BOOST_OUTCOME_TRY(rc, guarded_call(txn_, [&k, &v, at, op, copied, room] {
                      const int code = mdb_cursor_get(at, &k, &v, op);
                      if (code == 0)
                        std::memcpy(copied, k.mv_data,
                                    std::min(k.mv_size, room));
                      return code;
                    }));
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return lmdb_error(rc, "walk over records");
  key_.resize(std::min(k.mv_size, room));
  value_ = mapped_bytes(txn_, v);
  return true;
}

result<bool> cursor::seek(byte_view key) {
  // LMDB does not seek to an empty key.
  return key.empty() ? move(MDB_FIRST, {}) : move(MDB_SET_RANGE, key);
}
result<bool> cursor::next() {
  return move(MDB_NEXT, {});
}

result<std::vector<byte_string>> keys_with_prefix(MDB_txn* txn, MDB_dbi in,
                                                  byte_view prefix,
                                                  std::size_t count_max,
                                                  byte_view from) {
  std::vector<byte_string> keys;
  BOOST_OUTCOME_TRY(at, cursor::open(txn, in));
  BOOST_OUTCOME_TRY(more, at.seek(from.empty() ? prefix : from));
  while (more && starts_with(at.key(), prefix) && keys.size() < count_max) {
    keys.emplace_back(at.key().begin(), at.key().end());
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return keys;
}

result<MDB_stat> statistics_of(MDB_txn* txn, MDB_dbi in) {
  MDB_stat stat{};
  BOOST_OUTCOME_TRY(rc, guarded_call(txn, [&stat, txn, in] {
                      return mdb_stat(txn, in, &stat);
                    }));
  if (rc != 0) return lmdb_error(rc, "read a database's statistics");
  return stat;
}

result<store_totals> read_totals(MDB_txn* txn, const databases& in) {
  BOOST_OUTCOME_TRY(found, get(txn, in.format, key_of("totals")));
  store_totals totals{};
  if (!found) return totals;
  byte_reader reader(*found);
  for (auto& total : totals)
    total = reader.get<std::uint64_t>();
  return totals;
}

result<read_transaction> read_transaction::begin(environment& env) {
  BOOST_OUTCOME_TRY(use, environment_use::begin(env));
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(env.env.get(), nullptr, MDB_RDONLY, &txn))
    return lmdb_error(rc, "begin a read transaction");
  return read_transaction(std::move(use), txn);
}

// ---- writing ---------------------------------------------------------------

result<write_transaction> write_transaction::begin(environment& env) {
  if (env.unreadable) return unreadable_error(env);
  MDB_txn* txn = nullptr;
  int rc = MDB_PANIC;
  if (env.now == environment::state::open)
    rc = mdb_txn_begin(env.env.get(), nullptr, 0, &txn);
  if (rc == MDB_PANIC) {
    BOOST_OUTCOME_TRYV(reopen(env));
    rc = mdb_txn_begin(env.env.get(), nullptr, 0, &txn);
  }
  if (rc != 0) return lmdb_error(rc, "begin a write transaction");
  write_transaction begun(env, txn);
  BOOST_OUTCOME_TRY(totals, read_totals(txn, env.in));
  begun.totals_ = totals;
  return begun;
}

error write_transaction::failed(int code, std::string_view operation) {
  // LMDB reports a write that was cut short as EIO.
  if (code == EIO && has_no_room(*env_)) code = ENOSPC;
  const error e = lmdb_error(code, operation);
  if (!failure_) failure_ = e;
  return e;
}

template <class T>
result<T> write_transaction::noted(result<T> r) {
  if (r.has_error() && !failure_) failure_ = r.error();
  return r;
}

result<std::optional<byte_string>> write_transaction::get(MDB_dbi in,
                                                          byte_view key) {
  return noted(lamina::get(txn_.get(), in, key));
}

result<std::optional<mapped_bytes>> write_transaction::find(MDB_dbi in,
                                                            byte_view key) {
  return noted(lamina::find(txn_.get(), in, key));
}

result<std::vector<byte_string>> write_transaction::keys(MDB_dbi in,
                                                         byte_view prefix,
                                                         std::size_t count_max,
                                                         byte_view from) {
  return noted(keys_with_prefix(txn_.get(), in, prefix, count_max, from));
}

std::uint64_t* write_transaction::total_of(MDB_dbi in) {
  const auto counted = env_->in.counted();
  const auto it = std::ranges::find(counted, in);
  return it == counted.end()
             ? nullptr
             : &totals_[static_cast<std::size_t>(it - counted.begin())];
}

// Takes the record that is there out of its total, and a new one in; both with
// their key.
result<void> write_transaction::account(MDB_dbi in, byte_view key,
                                        std::size_t new_bytes) {
  std::uint64_t* const total = total_of(in);
  if (total == nullptr) return success();
  BOOST_OUTCOME_TRY(there, find(in, key));
  if (there) *total -= key.size() + there->size();
  *total += new_bytes;
  return success();
}

result<void> write_transaction::put(MDB_dbi in, byte_view key,
                                    byte_view value) {
  return put(in, key, value, {});
}

result<void> write_transaction::put(MDB_dbi in, byte_view key, byte_view first,
                                    byte_view second) {
  const std::size_t bytes = first.size() + second.size();
  BOOST_OUTCOME_TRYV(account(in, key, key.size() + bytes));
  MDB_val k = to_lmdb(key), v{bytes, nullptr};
  const auto copy = [](std::byte* to, byte_view from) {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
    return to + from.size();
  };
  auto rc = guarded_call(txn_.get(), [&, in] {
    const int code = mdb_put(txn_.get(), in, &k, &v, MDB_RESERVE);
    if (code == 0)
      copy(copy(static_cast<std::byte*>(v.mv_data), first), second);
    return code;
  });
  if (rc.has_error()) return *(failure_ = rc.error());
  if (rc.value() != 0) return failed(rc.value(), "write a record");
  return success();
}

result<void> write_transaction::remove(MDB_dbi in, byte_view key) {
  BOOST_OUTCOME_TRYV(account(in, key, 0));
  MDB_val k = to_lmdb(key);
  auto rc = guarded_call(
      txn_.get(), [&, in] { return mdb_del(txn_.get(), in, &k, nullptr); });
  if (rc.has_error()) return *(failure_ = rc.error());
  if (rc.value() != 0 && rc.value() != MDB_NOTFOUND)
    return failed(rc.value(), "remove a record");
  return success();
}

result<void> write_transaction::commit() {
  byte_writer totals(sizeof totals_);
  for (const std::uint64_t total : totals_)
    totals.put(total);
  BOOST_OUTCOME_TRYV(put(env_->in.format, key_of("totals"), totals.finish()));
  // A step that a bus error ends leaves LMDB's transaction half done; the
  // environment is then not written to again.
  MDB_txn* const txn = txn_.release();
  auto rc = guarded_call(txn, [txn] { return mdb_txn_commit(txn); });
  if (rc.has_error()) return *(failure_ = rc.error());
  if (rc.value() != 0) return failed(rc.value(), "commit a transaction");
  return success();
}

}  // namespace lamina

// LMDB transactions: reading through a borrowed one, writing through one that
// is aborted unless it is committed.
//
// What `get` and a cursor return lies in the map: valid until the transaction
// ends or, in a write transaction, until its next write. Copy first.
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "actors/store/environment.hpp"
#include "protocol/error.hpp"

namespace lamina {

using byte_view = std::span<const std::byte>;

/// The bytes under `key`, or nothing.
result<std::optional<byte_view>> get(MDB_txn* txn, MDB_dbi in, byte_view key);

/// Walks a database in key order.
class cursor {
 public:
  static result<cursor> open(MDB_txn* txn, MDB_dbi in);

  /// Moves to the first key that is not below `key`; false: there is none.
  result<bool> seek(byte_view key);
  /// Moves on, or to the first key at the start; false: at the end.
  result<bool> next();

  byte_view key() const { return key_; }
  byte_view value() const { return value_; }

 private:
  struct close {
    void operator()(MDB_cursor* c) const { mdb_cursor_close(c); }
  };
  explicit cursor(MDB_cursor* c) : cursor_(c) {}
  result<bool> move(MDB_cursor_op op, byte_view key);

  std::unique_ptr<MDB_cursor, close> cursor_;
  byte_view key_, value_;
};

/// The first `count_max` keys that begin with `prefix` (empty: any), copied:
/// for walks that change what they walk over.
result<std::vector<std::vector<std::byte>>> keys_with_prefix(
    MDB_txn* txn, MDB_dbi in, byte_view prefix,
    std::size_t count_max = SIZE_MAX);

/// Sums that would take a walk over the whole store to compute.
struct store_totals {
  std::uint64_t references = 0;
  std::uint64_t value_bytes = 0;
};
result<store_totals> read_totals(MDB_txn* txn, const databases& in);

/// One write transaction, of one thread. The first failure of LMDB's stays in
/// `failure`: the transaction is then lost as a whole.
class write_transaction {
 public:
  static result<write_transaction> begin(environment& env);

  MDB_txn* handle() const { return txn_.get(); }
  const databases& in() const { return env_->in; }
  store_totals& totals() { return totals_; }
  const std::optional<error>& failure() const { return failure_; }

  result<std::optional<byte_view>> get(MDB_dbi in, byte_view key);
  result<void> put(MDB_dbi in, byte_view key, byte_view value);
  /// Room for a value of `bytes`, to be filled before the next write.
  result<std::span<std::byte>> reserve(MDB_dbi in, byte_view key,
                                       std::size_t bytes);
  /// Nothing happens when the key is not there.
  result<void> remove(MDB_dbi in, byte_view key);
  result<std::vector<std::vector<std::byte>>> keys(
      MDB_dbi in, byte_view prefix, std::size_t count_max = SIZE_MAX);

  /// Writes the totals and syncs; the transaction is over either way.
  result<void> commit();

 private:
  struct abort {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };
  write_transaction(environment& env, MDB_txn* txn) : env_(&env), txn_(txn) {}
  error failed(int code, std::string_view operation);
  template <class T>
  result<T> noted(result<T> r);

  environment* env_;
  std::unique_ptr<MDB_txn, abort> txn_;
  store_totals totals_;
  std::optional<error> failure_;
};

}  // namespace lamina

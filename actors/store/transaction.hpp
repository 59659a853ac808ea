// LMDB transactions: reading through a borrowed one, writing through one that
// is aborted unless it is committed.
//
// Every touch of the map is guarded (mapped.hpp): a page that cannot be read
// makes the environment unreadable and the call fail, `unavailable`. What is
// read is copied; only a `mapped_bytes` still lies in the map, and its content
// can be had by copy alone.
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "actors/store/environment.hpp"
#include "protocol/error.hpp"

namespace lamina {

using byte_view = std::span<const std::byte>;
using byte_string = std::vector<std::byte>;

/// A record in the map: valid until its transaction ends or, in a write
/// transaction, until its next write.
class mapped_bytes {
 public:
  mapped_bytes() = default;
  mapped_bytes(MDB_txn* txn, const MDB_val& v) : txn_(txn), at_(v) {}

  /// Known from the tree; costs no look at the record.
  std::size_t size() const { return at_.mv_size; }
  /// The bytes from `from` on, at most `count`.
  result<byte_string> copy(std::size_t from = 0,
                           std::size_t count = SIZE_MAX) const;
  /// The same in place of what `into` holds, in its memory if that suffices.
  result<void> copy_into(byte_string& into, std::size_t from = 0,
                         std::size_t count = SIZE_MAX) const;

 private:
  MDB_txn* txn_ = nullptr;
  MDB_val at_{};
};

/// The record under `key`, or nothing.
result<std::optional<mapped_bytes>> find(MDB_txn* txn, MDB_dbi in,
                                         byte_view key);
result<std::optional<byte_string>> get(MDB_txn* txn, MDB_dbi in, byte_view key);

/// Walks a database in key order.
class cursor {
 public:
  static result<cursor> open(MDB_txn* txn, MDB_dbi in);

  /// Moves to the first key that is not below `key`, which may be empty;
  /// false: there is none.
  result<bool> seek(byte_view key);
  /// Moves on, or to the first key at the start; false: at the end.
  result<bool> next();

  byte_view key() const { return key_; }
  const mapped_bytes& value() const { return value_; }

 private:
  struct close {
    void operator()(MDB_cursor* c) const { mdb_cursor_close(c); }
  };
  cursor(MDB_txn* txn, MDB_cursor* c) : txn_(txn), cursor_(c) {}
  result<bool> move(MDB_cursor_op op, byte_view key);

  MDB_txn* txn_;
  std::unique_ptr<MDB_cursor, close> cursor_;
  byte_string key_;
  mapped_bytes value_;
};

/// The first `count_max` keys from `from` on that begin with `prefix` (empty:
/// any), copied: for walks that change what they walk over.
result<std::vector<byte_string>> keys_with_prefix(
    MDB_txn* txn, MDB_dbi in, byte_view prefix,
    std::size_t count_max = SIZE_MAX, byte_view from = {});

/// What `mdb_stat` says of a database; 0 and 1 are LMDB's own.
result<MDB_stat> statistics_of(MDB_txn* txn, MDB_dbi in);

/// Payload bytes of each counted database, in the order of `table_names`:
/// sums that would take a walk over the whole store to compute.
using store_totals = std::array<std::uint64_t, table_names.size()>;
result<store_totals> read_totals(MDB_txn* txn, const databases& in);

/// A read transaction of its own, for a look at one moment.
class read_transaction {
 public:
  static result<read_transaction> begin(environment& env);
  MDB_txn* handle() const { return txn_.get(); }

 private:
  struct abort {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };
  read_transaction(environment_use use, MDB_txn* txn)
      : use_(std::move(use)), txn_(txn) {}
  environment_use use_;
  std::unique_ptr<MDB_txn, abort> txn_;
};

/// One write transaction, of one thread. The first failure of LMDB's stays in
/// `failure`: the transaction is then lost as a whole. An environment that LMDB
/// has given up is opened again first.
class write_transaction {
 public:
  static result<write_transaction> begin(environment& env);

  MDB_txn* handle() const { return txn_.get(); }
  const databases& in() const { return env_->in; }
  store_totals& totals() { return totals_; }
  const std::optional<error>& failure() const { return failure_; }

  result<std::optional<byte_string>> get(MDB_dbi in, byte_view key);
  result<std::optional<mapped_bytes>> find(MDB_dbi in, byte_view key);
  result<std::vector<byte_string>> keys(MDB_dbi in, byte_view prefix,
                                        std::size_t count_max = SIZE_MAX,
                                        byte_view from = {});
  result<void> put(MDB_dbi in, byte_view key, byte_view value);
  /// `first` and then `second`, as one record.
  result<void> put(MDB_dbi in, byte_view key, byte_view first,
                   byte_view second);
  /// Nothing happens when the key is not there.
  result<void> remove(MDB_dbi in, byte_view key);

  /// Conversations whose chunks may hold activations that they did not hold
  /// before: eviction must look at them again (eviction_walk.hpp).
  std::set<conversation_id>& stirred() { return stirred_; }
  bool all_stirred = false;

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
  /// The total of a database; null for those without.
  std::uint64_t* total_of(MDB_dbi in);
  result<void> account(MDB_dbi in, byte_view key, std::size_t new_bytes);

  environment* env_;
  std::unique_ptr<MDB_txn, abort> txn_;
  store_totals totals_{};
  std::set<conversation_id> stirred_;
  std::optional<error> failure_;
};

}  // namespace lamina

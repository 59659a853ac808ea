// Reference counts of chunk names, and the tombstones of names that lost the
// last one. A name is counted or a tombstone, never both; the store's sweep
// frees what tombstones name. Used inside one write transaction.
#pragma once

#include "actors/chunks/digest.hpp"
#include "actors/store/transaction.hpp"

namespace lamina {

/// 0 when nobody refers to the name.
result<std::uint32_t> reference_count(MDB_txn* txn, const databases& in,
                                      const digest& name);
result<std::uint32_t> reference_count(write_transaction& txn,
                                      const digest& name);

/// One more conversation refers to `name`. A tombstone is dropped: what it
/// would have freed counts as present again.
result<void> acquire(write_transaction& txn, const digest& name);

/// One fewer; the last leaves a tombstone.
result<void> release(write_transaction& txn, const digest& name);

}  // namespace lamina

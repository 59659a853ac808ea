// Where the file's bytes are: counted from LMDB's own statistics of each
// database and from the store's totals.
//
// Cost: one look at each database's root record, and one cursor step for every
// transaction on the list of free pages (some hundreds). Nothing is walked.
#pragma once

#include "actors/store/transaction.hpp"

namespace lamina {

/// Bytes of all pages in use, as the transaction sees them.
result<std::uint64_t> used_bytes(MDB_txn* txn, const databases& in);

/// All but what concerns the readers.
result<store_statistics> count_store(MDB_txn* txn, const environment& env);

}  // namespace lamina

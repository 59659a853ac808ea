// What each operation of a batch does to the store, inside the batch's write
// transaction.
//
// An operation checks everything that can be wrong with it before it writes
// anything. So when `apply` fails and the transaction's `failure` is empty,
// the transaction is as it was before and the batch goes on.
#pragma once

#include "actors/store/store.hpp"
#include "actors/store/transaction.hpp"

namespace lamina {

/// Adds what it wrote and shared to `report`.
result<void> apply(write_transaction& txn, const write_op& op,
                   commit_report& report);

}  // namespace lamina

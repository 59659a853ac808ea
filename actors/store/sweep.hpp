// Freeing what nobody refers to any more, inside a write transaction.
#pragma once

#include "actors/store/holdings.hpp"

namespace lamina {

/// Frees the names that have tombstones while `left` lasts. True when
/// something was changed: then the transaction is worth a sync.
result<bool> sweep_names(write_transaction& txn, allowance& left,
                         sweep_report& report);

}  // namespace lamina

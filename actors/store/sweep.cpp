#include "actors/store/sweep.hpp"

namespace lamina {
namespace {

// Frees what a name holds; false: some of it is left for the next sweep.
result<bool> free_name(write_transaction& txn, const digest& name,
                       allowance& left) {
  BOOST_OUTCOME_TRY(record, read_name(txn, name));
  // Taking a reference drops the tombstone; this asks all the same, because
  // freeing what is referred to cannot be undone.
  if (record.references != 0) return true;
  BOOST_OUTCOME_TRY(values, free_values(txn, name, left));
  if (!values.all) return false;
  BOOST_OUTCOME_TRY(lens, free_lens(txn, name, left));
  if (!lens) return false;
  BOOST_OUTCOME_TRYV(txn.remove(txn.in().names, key_of(name)));
  return true;
}

}  // namespace

result<bool> sweep_names(write_transaction& txn, allowance& left,
                         sweep_report& report) {
  const std::uint64_t before = left.taken();
  bool changed = false;
  for (;;) {
    BOOST_OUTCOME_TRY(first, txn.keys(txn.in().tombstones, {}, 1));
    if (first.empty()) break;
    BOOST_OUTCOME_TRY(freed, free_name(txn, name_at(first.front()), left));
    report.more = !freed;
    if (!freed) break;
    BOOST_OUTCOME_TRYV(txn.remove(txn.in().tombstones, first.front()));
    report.names_removed += 1;
    changed = true;
  }
  report.bytes_removed += left.taken() - before;
  return changed || left.taken() != before;
}

}  // namespace lamina

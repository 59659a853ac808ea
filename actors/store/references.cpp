#include "actors/store/references.hpp"

#include <cstring>

#include "actors/store/keys.hpp"

namespace lamina {
namespace {

std::uint32_t count_in(const std::optional<byte_view>& record) {
  std::uint32_t count = 0;
  if (record && record->size() == sizeof count)
    std::memcpy(&count, record->data(), sizeof count);
  return count;
}

result<void> set_count(write_transaction& txn, const digest& name,
                       std::uint32_t count) {
  return txn.put(txn.in().references, key_of(name),
                 std::as_bytes(std::span(&count, 1)));
}

}  // namespace

result<std::uint32_t> reference_count(MDB_txn* txn, const databases& in,
                                      const digest& name) {
  BOOST_OUTCOME_TRY(record, get(txn, in.references, key_of(name)));
  return count_in(record);
}

result<std::uint32_t> reference_count(write_transaction& txn,
                                      const digest& name) {
  BOOST_OUTCOME_TRY(record, txn.get(txn.in().references, key_of(name)));
  return count_in(record);
}

result<void> acquire(write_transaction& txn, const digest& name) {
  BOOST_OUTCOME_TRY(count, reference_count(txn, name));
  if (count == 0) {
    BOOST_OUTCOME_TRYV(txn.remove(txn.in().tombstones, key_of(name)));
  }
  BOOST_OUTCOME_TRYV(set_count(txn, name, count + 1));
  txn.totals().references += 1;
  return success();
}

result<void> release(write_transaction& txn, const digest& name) {
  BOOST_OUTCOME_TRY(count, reference_count(txn, name));
  // Only a damaged store has a reference that was never counted; it has
  // nothing to give up.
  if (count == 0) return success();
  txn.totals().references -= 1;
  if (count > 1) return set_count(txn, name, count - 1);
  BOOST_OUTCOME_TRYV(txn.remove(txn.in().references, key_of(name)));
  return txn.put(txn.in().tombstones, key_of(name), {});
}

}  // namespace lamina

#include "actors/store/names.hpp"

#include "actors/chunks/little_endian.hpp"

namespace lamina {

byte_string encode(const name_record& r) {
  byte_writer out(24);
  out.put(r.references)
      .put(r.evicted)
      .put(r.held.value_bytes)
      .put(r.held.lens_bytes);
  return out.finish();
}

name_record decode_name(byte_view bytes) {
  byte_reader in(bytes);
  name_record r;
  r.references = in.get<std::uint32_t>();
  r.evicted = in.get<std::uint32_t>();
  r.held.value_bytes = in.get<std::uint64_t>();
  r.held.lens_bytes = in.get<std::uint64_t>();
  return in.at_end() ? r : name_record();
}

result<name_record> read_name(MDB_txn* txn, const databases& in,
                              const digest& name) {
  BOOST_OUTCOME_TRY(record, get(txn, in.names, key_of(name)));
  return decode_name(record.value_or(byte_string()));
}

result<name_record> read_name(write_transaction& txn, const digest& name) {
  BOOST_OUTCOME_TRY(record, txn.get(txn.in().names, key_of(name)));
  return decode_name(record.value_or(byte_string()));
}

result<void> write_name(write_transaction& txn, const digest& name,
                        const name_record& record) {
  return txn.put(txn.in().names, key_of(name), encode(record));
}

result<void> acquire(write_transaction& txn, const digest& name, referrer by) {
  const auto key = key_of(name, by);
  BOOST_OUTCOME_TRY(there, txn.find(txn.in().referrers, key));
  if (there) return success();
  BOOST_OUTCOME_TRY(record, read_name(txn, name));
  if (record.references == 0) {
    BOOST_OUTCOME_TRYV(txn.remove(txn.in().tombstones, key_of(name)));
  }
  BOOST_OUTCOME_TRYV(txn.put(txn.in().referrers, key, {}));
  // What the name holds already is now this conversation's to keep.
  if (record.held.value_bytes != 0) txn.stirred().insert(by.conversation);
  record.references += 1;
  return write_name(txn, name, record);
}

result<void> release(write_transaction& txn, const digest& name, referrer by) {
  const auto key = key_of(name, by);
  BOOST_OUTCOME_TRY(there, txn.find(txn.in().referrers, key));
  // Only a damaged store has a reference that was never counted; it has
  // nothing to give up.
  if (!there) return success();
  BOOST_OUTCOME_TRYV(txn.remove(txn.in().referrers, key));
  BOOST_OUTCOME_TRY(record, read_name(txn, name));
  record.references -= record.references == 0 ? 0 : 1;
  // Whoever is left may now be the one that used it last.
  if (record.references != 0 && record.held.value_bytes != 0)
    txn.all_stirred = true;
  BOOST_OUTCOME_TRYV(write_name(txn, name, record));
  if (record.references != 0) return success();
  return txn.put(txn.in().tombstones, key_of(name), {});
}

result<std::vector<referrer>> referrers_of(write_transaction& txn,
                                           const digest& name) {
  BOOST_OUTCOME_TRY(keys, txn.keys(txn.in().referrers, key_of(name)));
  std::vector<referrer> all;
  for (const auto& key : keys)
    if (key.size() == 28)
      all.push_back({big_endian_at<conversation_id>(key, 16),
                     big_endian_at<std::uint32_t>(key, 24)});
  return all;
}

void overlay(const name_record& name, chunk_record& chunk) {
  const std::pair<site, presence*> sites[] = {
      {site::embed, &chunk.embed},
      {site::resid_post, &chunk.resid_post},
      {site::final_norm, &chunk.final_norm}};
  for (const auto& [at, state] : sites)
    if ((name.evicted & evicted_bit(at)) != 0 && *state == presence::present)
      *state = presence::evicted;
}

}  // namespace lamina

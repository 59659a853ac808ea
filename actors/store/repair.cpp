#include "actors/store/repair.hpp"

#include <algorithm>

#include "actors/store/conversations.hpp"

namespace lamina {
namespace {

byte_string after(byte_view key) {
  byte_string next(key.begin(), key.end());
  next.push_back(std::byte{0});
  return next;
}

}  // namespace

// ---- names -----------------------------------------------------------------

// A name is looked at when any of the databases knows it.
result<bool> repair_slice::next_name() {
  std::optional<digest> first;
  const databases& in = txn_.in();
  for (const MDB_dbi one :
       {in.names, in.values, in.lens, in.referrers, in.tombstones}) {
    BOOST_OUTCOME_TRY(keys, txn_.keys(one, {}, 1, place_.from));
    if (!keys.empty() && (!first || name_at(keys.front()) < *first))
      first = name_at(keys.front());
  }
  if (!first) return false;
  BOOST_OUTCOME_TRYV(look_at_name(*first));
  // Behind every key that begins with the name: none is longer than this.
  const auto key = key_of(*first);
  place_.from.assign(key.begin(), key.end());
  place_.from.resize(64, std::byte{0xff});
  return true;
}

// A referrer counts while the chunk that it names is there and either has the
// name or is too damaged to say.
result<std::uint32_t> repair_slice::count_referrers(const digest& name) {
  std::uint32_t count = 0;
  BOOST_OUTCOME_TRY(referrers, referrers_of(txn_, name));
  for (const referrer& r : referrers) {
    const auto chunk = read_chunk(txn_, r.conversation, r.index);
    if (txn_.failure()) return *txn_.failure();
    report_.examined += 1;
    if (chunk.has_error() || (chunk.value() && chunk.value()->name == name)) {
      count += 1;
      continue;
    }
    BOOST_OUTCOME_TRYV(txn_.remove(txn_.in().referrers, key_of(name, r)));
    report_.references_stale += 1;
  }
  return count;
}

result<name_record> repair_slice::recount(const digest& name) {
  name_record counted;
  BOOST_OUTCOME_TRY(references, count_referrers(name));
  counted.references = references;
  BOOST_OUTCOME_TRY(values, txn_.keys(txn_.in().values, key_of(name)));
  for (const auto& key : values) {
    BOOST_OUTCOME_TRY(value, txn_.find(txn_.in().values, key));
    counted.held.value_bytes += key.size() + (value ? value->size() : 0);
    report_.examined += 1;
  }
  const auto key = key_of(name);
  BOOST_OUTCOME_TRY(lens, txn_.find(txn_.in().lens, key));
  if (lens) counted.held.lens_bytes = key.size() + lens->size();
  return counted;
}

result<void> repair_slice::look_at_name(const digest& name) {
  report_.examined += 1;
  BOOST_OUTCOME_TRY(counted, recount(name));
  BOOST_OUTCOME_TRY(there, read_name(txn_, name));
  counted.evicted = there.evicted;
  BOOST_OUTCOME_TRY(known, txn_.find(txn_.in().names, key_of(name)));
  BOOST_OUTCOME_TRY(grave, txn_.find(txn_.in().tombstones, key_of(name)));
  const bool agrees = known && counted == there;
  if (agrees && grave.has_value() == (counted.references == 0))
    return success();
  if (counted.references == 0 && !grave)
    report_.orphans += 1;
  else
    report_.counts_wrong += 1;
  return put_right(name, counted);
}

result<void> repair_slice::put_right(const digest& name,
                                     const name_record& counted) {
  txn_.all_stirred = true;
  BOOST_OUTCOME_TRYV(write_name(txn_, name, counted));
  if (counted.references == 0)
    return txn_.put(txn_.in().tombstones, key_of(name), {});
  return txn_.remove(txn_.in().tombstones, key_of(name));
}

// ---- chunks, conversations, access -----------------------------------------

result<bool> repair_slice::next_key(
    MDB_dbi in, result<void> (repair_slice::*look)(const byte_string& key)) {
  BOOST_OUTCOME_TRY(keys, txn_.keys(in, {}, 1, place_.from));
  if (keys.empty()) return false;
  report_.examined += 1;
  BOOST_OUTCOME_TRYV((this->*look)(keys.front()));
  place_.from = after(keys.front());
  return true;
}

result<void> repair_slice::look_at_chunk(const byte_string& key) {
  const referrer by{big_endian_at<conversation_id>(key, 0),
                    big_endian_at<std::uint32_t>(key, 8)};
  const auto chunk = read_chunk(txn_, by.conversation, by.index);
  if (txn_.failure()) return *txn_.failure();
  const bool readable = chunk.has_value() && chunk.value().has_value();
  BOOST_OUTCOME_TRY(known, exists(txn_, by.conversation));
  if (!known) {
    report_.chunks_stray += 1;
    if (readable) {
      BOOST_OUTCOME_TRYV(release(txn_, chunk.value()->name, by));
    }
    return txn_.remove(txn_.in().chunks, key);
  }
  if (!readable) return success();  // the reader reports it
  const digest& name = chunk.value()->name;
  BOOST_OUTCOME_TRY(counted, txn_.find(txn_.in().referrers, key_of(name, by)));
  if (counted) return success();
  report_.references_lost += 1;
  return acquire(txn_, name, by);
}

result<void> repair_slice::look_at_conversation(const byte_string& key) {
  const auto record =
      read_conversation(txn_, big_endian_at<conversation_id>(key, 0));
  if (txn_.failure()) return *txn_.failure();
  if (record.has_error() || !record.value()) return success();
  const access_entry entry{record.value()->accessed_unix_ms,
                           record.value()->id};
  BOOST_OUTCOME_TRY(there, txn_.find(txn_.in().access, key_of(entry)));
  if (there) return success();
  report_.access_wrong += 1;
  return txn_.put(txn_.in().access, key_of(entry), {});
}

result<void> repair_slice::look_at_access(const byte_string& key) {
  const access_entry entry = access_of(key);
  const auto record = read_conversation(txn_, entry.id);
  if (txn_.failure()) return *txn_.failure();
  const bool stands =
      record.has_error() ||
      (record.value() &&
       std::ranges::equal(
           key,
           key_of(access_entry{record.value()->accessed_unix_ms, entry.id})));
  if (stands) return success();
  report_.access_wrong += 1;
  return txn_.remove(txn_.in().access, key);
}

// ---- the slice -------------------------------------------------------------

result<repair_report> repair_slice::run(std::uint64_t records_max) {
  using phase = repair_place::phase;
  const databases& in = txn_.in();
  report_.more = true;
  while (report_.more && report_.examined < records_max) {
    result<bool> found =
        place_.in == phase::names ? next_name()
        : place_.in == phase::chunks
            ? next_key(in.chunks, &repair_slice::look_at_chunk)
        : place_.in == phase::conversations
            ? next_key(in.conversations, &repair_slice::look_at_conversation)
            : next_key(in.access, &repair_slice::look_at_access);
    BOOST_OUTCOME_TRY(more, std::move(found));
    if (more) continue;
    report_.more = place_.in != phase::access;
    place_ = {report_.more ? static_cast<phase>(static_cast<int>(place_.in) + 1)
                           : phase::names,
              {}};
  }
  return report_;
}

}  // namespace lamina

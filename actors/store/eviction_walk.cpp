#include "actors/store/eviction_walk.hpp"

#include <algorithm>

#include "actors/store/accounts.hpp"
#include "actors/store/conversations.hpp"
#include "actors/store/sweep.hpp"

namespace lamina {
namespace {

constexpr std::size_t entries_at_a_time = 256;
constexpr std::size_t corrections_max = 10'000;  // in one transaction

}  // namespace

void eviction_memory::note_drained(conversation_id id) {
  drained_.insert(id);
  half_walked_.reset();
}

std::uint32_t eviction_memory::next_chunk(conversation_id id) const {
  return half_walked_ && half_walked_->first == id ? half_walked_->second : 0;
}

void eviction_memory::note_next_chunk(conversation_id id, std::uint32_t index) {
  half_walked_ = {id, index};
}

void eviction_memory::forget(write_transaction& txn) {
  if (txn.all_stirred) drained_.clear();
  for (const conversation_id id : txn.stirred())
    drained_.erase(id);
  if (half_walked_ &&
      (txn.all_stirred || txn.stirred().contains(half_walked_->first)))
    half_walked_.reset();
}

// ---- who may be asked to give ----------------------------------------------

result<std::optional<eviction_walk::standing>> eviction_walk::standing_of(
    conversation_id id) {
  if (const auto known = standings_.find(id); known != standings_.end())
    return std::optional(known->second);
  const auto record = read_conversation(txn_, id);
  if (txn_.failure()) return *txn_.failure();
  // A damaged record does not say whether it is pinned: it keeps everything.
  if (record.has_error()) return std::optional(standing{{0, id}, true});
  if (!record.value()) return std::optional<standing>();
  const conversation_record& r = *record.value();
  const standing s{{std::max<std::int64_t>(r.accessed_unix_ms, 0), id},
                   r.pinned || r.state == turn_state::running};
  standings_[id] = s;
  return std::optional(s);
}

// Only the conversation that used a chunk last gives it away.
result<bool> eviction_walk::may_go(const standing& s, const digest& name) {
  BOOST_OUTCOME_TRY(referrers, referrers_of(txn_, name));
  for (const referrer& r : referrers) {
    BOOST_OUTCOME_TRY(other, standing_of(r.conversation));
    if (other && (other->keeps || s.used < other->used)) return false;
  }
  return true;
}

result<bool> eviction_walk::too_much(const eviction_limits& limits) {
  if (limits.used_bytes_max == eviction_limits().used_bytes_max) return false;
  BOOST_OUTCOME_TRY(used, used_bytes(txn_.handle(), txn_.in()));
  return used > limits.used_bytes_max;
}

result<bool> eviction_walk::wanted(const standing& s,
                                   const eviction_limits& limits) {
  if (s.used.at_unix_ms < limits.unused_since_unix_ms) return true;
  return too_much(limits);
}

// ---- the walk --------------------------------------------------------------

// Times after `now` are of a clock that has gone back since. Left as they are,
// they would never grow old.
result<void> eviction_walk::correct_times() {
  const auto future = key_of(access_entry{asked_.now_unix_ms + 1, 0});
  BOOST_OUTCOME_TRY(keys,
                    txn_.keys(txn_.in().access, {}, corrections_max, future));
  report_.more |= keys.size() == corrections_max;
  for (const auto& key : keys) {
    const access_entry entry = access_of(key);
    const auto there = read_conversation(txn_, entry.id);
    if (txn_.failure()) return *txn_.failure();
    BOOST_OUTCOME_TRYV(txn_.remove(txn_.in().access, key));
    changed_ = true;
    if (there.has_error() || !there.value()) continue;
    conversation_record record = *there.value();
    record.accessed_unix_ms =
        std::min(record.accessed_unix_ms, asked_.now_unix_ms);
    BOOST_OUTCOME_TRYV(write_conversation(txn_, record));
    report_.times_corrected += 1;
    txn_.all_stirred = true;  // who used a shared chunk last may have changed
  }
  return success();
}

result<void> eviction_walk::walk(const eviction_limits& limits,
                                 result<void> (eviction_walk::*visit)(
                                     const standing&, const eviction_limits&)) {
  byte_string from;
  for (;;) {
    BOOST_OUTCOME_TRY(keys,
                      txn_.keys(txn_.in().access, {}, entries_at_a_time, from));
    for (const auto& key : keys) {
      const access_entry entry = access_of(key);
      BOOST_OUTCOME_TRY(s, standing_of(entry.id));
      if (!s || (s->used != entry && !s->keeps)) {
        // No record stands by this entry.
        BOOST_OUTCOME_TRYV(txn_.remove(txn_.in().access, key));
        changed_ = true;
        continue;
      }
      BOOST_OUTCOME_TRY(goes, wanted(*s, limits));
      if (!goes) return success();
      if (s->keeps) continue;
      BOOST_OUTCOME_TRYV((this->*visit)(*s, limits));
      if (report_.more) return success();
    }
    if (keys.size() < entries_at_a_time) return success();
    from = keys.back();
    from.push_back(std::byte{0});  // the next key there can be
  }
}

result<void> eviction_walk::evict_values(const standing& s,
                                         const eviction_limits& limits) {
  const conversation_id id = s.used.id;
  if (memory_.drained(id)) return success();
  std::uint32_t index = memory_.next_chunk(id);
  BOOST_OUTCOME_TRY(keys, txn_.keys(txn_.in().chunks, key_of(id), SIZE_MAX,
                                    key_of(id, index)));
  for (const auto& key : keys) {
    index = big_endian_at<std::uint32_t>(key, 8);
    memory_.note_next_chunk(id, index);
    BOOST_OUTCOME_TRY(goes, wanted(s, limits));
    if (!goes) return success();
    report_.more = ++examined_ > asked_.chunks_examined_max;
    if (report_.more) return success();
    BOOST_OUTCOME_TRYV(evict_chunk(s, key));
    if (report_.more) return success();
  }
  memory_.note_drained(id);
  return success();
}

result<void> eviction_walk::evict_chunk(const standing& s,
                                        byte_view chunk_key) {
  const auto chunk =
      read_chunk(txn_, s.used.id, big_endian_at<std::uint32_t>(chunk_key, 8));
  if (txn_.failure()) return *txn_.failure();
  if (chunk.has_error() || !chunk.value()) return success();  // repair's
  const digest name = chunk.value()->name;
  BOOST_OUTCOME_TRY(before, read_name(txn_, name));
  if (before.held.value_bytes == 0) return success();
  BOOST_OUTCOME_TRY(goes, may_go(s, name));
  if (!goes) return success();
  BOOST_OUTCOME_TRY(freed, free_values(txn_, name, left_));
  report_.more = !freed.all;
  if (freed.values == 0) return success();
  BOOST_OUTCOME_TRY(record, read_name(txn_, name));
  record.evicted |= freed.sites;
  BOOST_OUTCOME_TRYV(write_name(txn_, name, record));
  report_.values_removed += freed.values;
  report_.names.push_back(name);
  changed_ = true;
  return success();
}

result<void> eviction_walk::remove_records(const standing& s,
                                           const eviction_limits&) {
  BOOST_OUTCOME_TRYV(remove_conversation(txn_, s.used.id));
  report_.conversations_removed.push_back(s.used.id);
  standings_.erase(s.used.id);
  changed_ = true;
  sweep_report swept;
  BOOST_OUTCOME_TRY(freed, sweep_names(txn_, left_, swept));
  (void)freed;
  report_.more = swept.more;
  return success();
}

result<eviction_report> eviction_walk::run() {
  // What nobody refers to goes before what somebody might still want.
  sweep_report swept;
  BOOST_OUTCOME_TRY(freed, sweep_names(txn_, left_, swept));
  changed_ = freed;
  report_.more = swept.more;
  BOOST_OUTCOME_TRYV(correct_times());
  if (!report_.more) {
    BOOST_OUTCOME_TRYV(walk(asked_.values, &eviction_walk::evict_values));
  }
  if (!report_.more) {
    BOOST_OUTCOME_TRYV(walk(asked_.records, &eviction_walk::remove_records));
  }
  if (!report_.more) {
    BOOST_OUTCOME_TRY(full, too_much(asked_.values));
    report_.cache_full = full;
  }
  report_.bytes_removed = left_.taken();
  BOOST_OUTCOME_TRY(used, used_bytes(txn_.handle(), txn_.in()));
  report_.used_bytes = used;
  return report_;
}

}  // namespace lamina

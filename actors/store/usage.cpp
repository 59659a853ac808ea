#include "actors/store/usage.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "actors/store/names.hpp"
#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

// One grouping: by conversation, owner or model.
template <class Key>
class grouping {
 public:
  void note_chunk(const Key& key) {
    used_[key].chunks += 1;
    of_name_.insert(key);
  }
  // All referrers of the name were noted.
  void end_name(const held_bytes& held) {
    const bool shared = of_name_.size() > 1;
    for (const Key& key : of_name_)
      (shared ? used_[key].shared : used_[key].unique) += held;
    if (shared) shared_ += held;
    of_name_.clear();
  }
  void add_records(const Key& key, std::uint64_t bytes) {
    used_[key].record_bytes += bytes;
  }
  const std::map<Key, usage>& used() const { return used_; }
  held_bytes shared() const { return shared_; }

 private:
  std::map<Key, usage> used_;
  std::set<Key> of_name_;
  held_bytes shared_;
};

class usage_count {
 public:
  usage_count(environment& env, std::size_t slice) : env_(env), slice_(slice) {}
  result<usage_report> run();

 private:
  using owner_key = std::pair<std::uint32_t, std::string>;  // uid, token
  struct belongs {
    owner_key owner{0, {}};
    std::string model;
  };

  // Calls `step` with a cursor over `in`, slice after slice, until the end.
  template <class Step>
  result<void> in_slices(MDB_dbi in, Step step);
  result<void> count_conversation(const cursor& at);
  result<void> count_chunk_record(const cursor& at);
  result<void> count_name(MDB_txn* txn, const cursor& at);
  void add_records(conversation_id id, std::uint64_t bytes);
  usage_report report() const;

  environment& env_;
  std::size_t slice_;
  std::map<conversation_id, belongs> known_;
  std::map<owner_key, std::uint64_t> of_owner_;
  std::map<std::string, std::uint64_t> of_model_;
  grouping<conversation_id> conversations_;
  grouping<owner_key> owners_;
  grouping<std::string> models_;
  held_bytes held_, waiting_;
};

template <class Step>
result<void> usage_count::in_slices(MDB_dbi in, Step step) {
  byte_string from;
  for (bool more = true; more;) {
    BOOST_OUTCOME_TRY(txn, read_transaction::begin(env_));
    BOOST_OUTCOME_TRY(at, cursor::open(txn.handle(), in));
    BOOST_OUTCOME_TRY(there, at.seek(from));
    more = there;
    for (std::size_t n = 0; more && n < slice_; ++n) {
      BOOST_OUTCOME_TRYV(step(txn.handle(), at));
      from.assign(at.key().begin(), at.key().end());
      from.push_back(std::byte{0});
      BOOST_OUTCOME_TRY(another, at.next());
      more = another;
    }
  }
  return success();
}

void usage_count::add_records(conversation_id id, std::uint64_t bytes) {
  const belongs& whose = known_[id];
  conversations_.add_records(id, bytes);
  owners_.add_records(whose.owner, bytes);
  models_.add_records(whose.model, bytes);
}

result<void> usage_count::count_conversation(const cursor& at) {
  BOOST_OUTCOME_TRY(bytes, at.value().copy());
  const auto record = open_conversation(at.key(), bytes);
  const auto id = big_endian_at<conversation_id>(at.key(), 0);
  // A damaged record says neither owner nor model: uid 0, no model.
  belongs whose;
  if (record.has_value())
    whose = {{record.value().owner_uid, record.value().owner_token},
             record.value().model};
  of_owner_[whose.owner] += 1;
  of_model_[whose.model] += 1;
  known_[id] = std::move(whose);
  add_records(id, at.key().size() + at.value().size());
  return success();
}

result<void> usage_count::count_chunk_record(const cursor& at) {
  const auto id = big_endian_at<conversation_id>(at.key(), 0);
  // One that was begun after the conversations were read counts next time.
  if (known_.contains(id)) add_records(id, at.key().size() + at.value().size());
  return success();
}

result<void> usage_count::count_name(MDB_txn* txn, const cursor& at) {
  BOOST_OUTCOME_TRY(bytes, at.value().copy());
  const name_record record = decode_name(bytes);
  if (record.references == 0) {
    waiting_ += record.held;
    return success();
  }
  BOOST_OUTCOME_TRY(keys, keys_with_prefix(txn, env_.in.referrers, at.key()));
  for (const auto& key : keys) {
    const auto id = big_endian_at<conversation_id>(key, 16);
    const auto whose = known_.find(id);
    if (whose == known_.end()) continue;
    conversations_.note_chunk(id);
    owners_.note_chunk(whose->second.owner);
    models_.note_chunk(whose->second.model);
  }
  conversations_.end_name(record.held);
  owners_.end_name(record.held);
  models_.end_name(record.held);
  held_ += record.held;
  return success();
}

usage_report usage_count::report() const {
  usage_report all;
  for (const auto& [id, used] : conversations_.used())
    all.conversations.push_back({id, used});
  for (const auto& [owner, used] : owners_.used())
    all.owners.push_back(
        {owner.first, owner.second, of_owner_.at(owner), used});
  for (const auto& [model, used] : models_.used())
    all.models.push_back({model, of_model_.at(model), used});
  all.shared_by_conversations = conversations_.shared();
  all.shared_by_owners = owners_.shared();
  all.shared_by_models = models_.shared();
  all.held = held_;
  all.waiting = waiting_;
  return all;
}

result<usage_report> usage_count::run() {
  BOOST_OUTCOME_TRYV(in_slices(
      env_.in.conversations,
      [this](MDB_txn*, const cursor& at) { return count_conversation(at); }));
  BOOST_OUTCOME_TRYV(in_slices(
      env_.in.chunks,
      [this](MDB_txn*, const cursor& at) { return count_chunk_record(at); }));
  BOOST_OUTCOME_TRYV(in_slices(
      env_.in.names,
      [this](MDB_txn* txn, const cursor& at) { return count_name(txn, at); }));
  return report();
}

// A damaged record's bytes count; whose chunk it is cannot be told.
result<void> add_chunk(MDB_txn* txn, const databases& in, const cursor& at,
                       usage& used) {
  used.record_bytes += at.key().size() + at.value().size();
  BOOST_OUTCOME_TRY(bytes, at.value().copy());
  const auto chunk = open_chunk(at.key(), bytes);
  if (!chunk) return success();
  BOOST_OUTCOME_TRY(name, read_name(txn, in, chunk.value().name));
  used.chunks += 1;
  (name.references > 1 ? used.shared : used.unique) += name.held;
  return success();
}

}  // namespace

result<usage> count_usage_of(environment& env, conversation_id id) {
  BOOST_OUTCOME_TRY(txn, read_transaction::begin(env));
  const auto prefix = key_of(id);
  BOOST_OUTCOME_TRY(known, find(txn.handle(), env.in.conversations, prefix));
  if (!known)
    return fail(error_code::not_found, "no conversation " + std::to_string(id));
  usage used;
  used.record_bytes = prefix.size() + known->size();
  BOOST_OUTCOME_TRY(at, cursor::open(txn.handle(), env.in.chunks));
  BOOST_OUTCOME_TRY(more, at.seek(prefix));
  while (more && starts_with(at.key(), prefix)) {
    BOOST_OUTCOME_TRYV(add_chunk(txn.handle(), env.in, at, used));
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return used;
}

result<usage_report> count_usage(environment& env, std::size_t slice) {
  return usage_count(env, slice).run();
}

}  // namespace lamina

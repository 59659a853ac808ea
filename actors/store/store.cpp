#include "actors/store/store.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "actors/store/accounts.hpp"
#include "actors/store/apply.hpp"
#include "actors/store/conversations.hpp"
#include "actors/store/environment.hpp"
#include "actors/store/eviction_walk.hpp"
#include "actors/store/reader.hpp"
#include "actors/store/repair.hpp"
#include "actors/store/spare_room.hpp"
#include "actors/store/sweep.hpp"
#include "actors/store/usage.hpp"

namespace lamina {
namespace {

bool makes_room(std::span<const write_op> ops) {
  return std::all_of(ops.begin(), ops.end(), [](const write_op& op) {
    return std::holds_alternative<delete_conversation>(op);
  });
}

/// Once more with the spare room, when the disk was too full for it.
template <class Step>
auto with_spare(spare_room& spare, const Step& step) {
  auto outcome = step();
  if (outcome.has_error() && outcome.error().code == error_code::disk_full &&
      spare.give())
    outcome = step();
  spare.take();
  return outcome;
}

class lmdb_store final : public store {
 public:
  lmdb_store(std::shared_ptr<environment> env,
             std::unique_ptr<spare_room> spare)
      : env_(std::move(env)), spare_(std::move(spare)) {}

  const opening_report& opened() const override { return env_->opened; }
  result<commit_report> commit(std::span<const write_op> ops) override;
  result<sweep_report> sweep(std::uint64_t bytes_max) override;
  result<eviction_report> evict(const eviction_request& request) override;
  result<repair_report> repair(std::uint64_t records_max) override;
  result<store_statistics> statistics() const override;
  result<usage_report> usage() const override { return count_usage(*env_); }
  result<lamina::usage> usage_of(conversation_id id) const override {
    return count_usage_of(*env_, id);
  }
  std::unique_ptr<store_reader> reader() const override {
    return make_reader(env_);
  }

 private:
  // Commits, and forgets of what was walked for eviction what has changed.
  result<void> finish(write_transaction& txn);
  bool release_freed_pages();
  result<commit_report> commit_all(std::span<const write_op> ops);
  result<sweep_report> sweep_some(std::uint64_t bytes_max);
  result<eviction_report> evict_some(const eviction_request& request);

  std::shared_ptr<environment> env_;
  std::unique_ptr<spare_room> spare_;
  eviction_memory walked_;
  repair_place repaired_to_;
};

result<void> lmdb_store::finish(write_transaction& txn) {
  walked_.forget(txn);
  return txn.commit();
}

result<commit_report> lmdb_store::commit(std::span<const write_op> ops) {
  const auto step = [this, ops] { return commit_all(ops); };
  if (makes_room(ops)) return with_spare(*spare_, step);
  auto outcome = step();
  if (outcome.has_error() && outcome.error().code == error_code::disk_full &&
      release_freed_pages())
    outcome = step();
  return outcome;
}

// LMDB takes pages again from the second transaction on after the one that
// freed them. When the last thing that went through was a sweep, and all that
// fails is larger, nothing would ever come in between.
bool lmdb_store::release_freed_pages() {
  return with_spare(*spare_,
                    [this]() -> result<void> {
                      BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env_));
                      return txn.commit();
                    })
      .has_value();
}

result<sweep_report> lmdb_store::sweep(std::uint64_t bytes_max) {
  return with_spare(*spare_,
                    [this, bytes_max] { return sweep_some(bytes_max); });
}

result<eviction_report> lmdb_store::evict(const eviction_request& request) {
  return with_spare(*spare_, [&] { return evict_some(request); });
}

result<commit_report> lmdb_store::commit_all(std::span<const write_op> ops) {
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env_));
  commit_report report;
  report.failed.resize(ops.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto applied = apply(txn, ops[i], report);
    if (txn.failure()) return *txn.failure();
    if (applied.has_error()) report.failed[i] = applied.error();
  }
  BOOST_OUTCOME_TRYV(finish(txn));
  return report;
}

result<sweep_report> lmdb_store::sweep_some(std::uint64_t bytes_max) {
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env_));
  sweep_report report;
  allowance left(bytes_max);
  BOOST_OUTCOME_TRY(changed, sweep_names(txn, left, report));
  if (!changed) return report;  // nothing to sync
  BOOST_OUTCOME_TRYV(finish(txn));
  return report;
}

result<eviction_report> lmdb_store::evict_some(
    const eviction_request& request) {
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env_));
  // A transaction that fails has not walked anything.
  eviction_memory walked = walked_;
  eviction_walk walk(txn, request, walked);
  BOOST_OUTCOME_TRY(report, walk.run());
  if (walk.changed()) {
    walked.forget(txn);
    BOOST_OUTCOME_TRYV(txn.commit());
  }
  walked_ = std::move(walked);
  return report;
}

result<repair_report> lmdb_store::repair(std::uint64_t records_max) {
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env_));
  repair_place place = repaired_to_;
  BOOST_OUTCOME_TRY(report, repair_slice(txn, place).run(records_max));
  if (report.repaired() != 0) {
    BOOST_OUTCOME_TRYV(finish(txn));
  }
  repaired_to_ = place;
  return report;
}

// ---- statistics ------------------------------------------------------------

// Each reader as LMDB lists it, other processes' too: pid, thread, and the
// transaction that its snapshot is of, or "-".
std::uint64_t oldest_lag(MDB_env* env, std::uint64_t newest) {
  struct listing {
    std::uint64_t newest, lag = 0;
  } found{newest};
  const auto note = [](const char* line, void* into) {
    auto& f = *static_cast<listing*>(into);
    unsigned long long pid = 0, transaction = 0;
    if (std::sscanf(line, "%llu %*s %llu", &pid, &transaction) == 2 &&
        transaction < f.newest)
      f.lag = std::max<std::uint64_t>(f.lag, f.newest - transaction);
    return 0;
  };
  mdb_reader_list(env, note, &found);
  return found.lag;
}

// Counts again when a commit came in between: the sums are of one moment.
result<store_statistics> count_moment(environment& env) {
  for (int attempt = 0;; ++attempt) {
    BOOST_OUTCOME_TRY(txn, read_transaction::begin(env));
    BOOST_OUTCOME_TRY(counted, count_store(txn.handle(), env));
    MDB_envinfo info{};
    mdb_env_info(env.env.get(), &info);
    counted.oldest_reader_lag =
        oldest_lag(env.env.get(), mdb_txn_id(txn.handle()));
    if (info.me_last_txnid == mdb_txn_id(txn.handle()) || attempt == 8)
      return counted;
  }
}

result<store_statistics> lmdb_store::statistics() const {
  store_statistics s;
  if (!env_->unreadable) {
    auto counted = count_moment(*env_);
    if (counted.has_error() && !env_->unreadable) return counted.error();
    if (counted.has_value()) s = std::move(counted).value();
  }
  s.unreadable = env_->unreadable;
  s.readers = env_->readers;
  s.oldest_reader_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          env_->oldest_snapshot())
          .count());
  return s;
}

}  // namespace

result<std::shared_ptr<store>> store::open(const store_options& options) {
  BOOST_OUTCOME_TRY(env, open_environment(options));
  auto spare =
      std::make_unique<spare_room>(options.directory, options.spare_bytes);
  BOOST_OUTCOME_TRYV(with_spare(*spare, [&env]() -> result<void> {
    BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env));
    BOOST_OUTCOME_TRYV(interrupt_running_turns(txn));
    return txn.commit();
  }));
  return std::shared_ptr<store>(
      std::make_shared<lmdb_store>(std::move(env), std::move(spare)));
}

}  // namespace lamina

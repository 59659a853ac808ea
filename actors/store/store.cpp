#include "actors/store/store.hpp"

#include <algorithm>
#include <cstring>

#include "actors/store/apply.hpp"
#include "actors/store/environment.hpp"
#include "actors/store/keys.hpp"
#include "actors/store/reader.hpp"
#include "actors/store/references.hpp"

namespace lamina {
namespace {

class lmdb_store final : public store {
 public:
  explicit lmdb_store(std::shared_ptr<environment> env)
      : env_(std::move(env)) {}

  result<commit_report> commit(std::span<const write_op> ops) override;
  result<sweep_report> sweep(std::uint64_t bytes_max) override;
  result<store_statistics> statistics() const override;
  std::unique_ptr<store_reader> reader() const override {
    return make_reader(env_);
  }

 private:
  std::shared_ptr<environment> env_;
};

result<commit_report> lmdb_store::commit(std::span<const write_op> ops) {
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env_));
  commit_report report;
  report.failed.resize(ops.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const auto applied = apply(txn, ops[i], report);
    if (txn.failure()) return *txn.failure();
    if (applied.has_error()) report.failed[i] = applied.error();
  }
  BOOST_OUTCOME_TRYV(txn.commit());
  return report;
}

// ---- sweep -----------------------------------------------------------------

// What a sweep may still free. The first thing always fits: otherwise a value
// above the limit would never go.
struct allowance {
  std::uint64_t bytes_max;
  sweep_report& report;

  bool fits(std::uint64_t bytes) const {
    return report.bytes_removed == 0 ||
           bytes <= bytes_max - std::min(bytes_max, report.bytes_removed);
  }
};

// Frees one record of `in`; false: it does not fit any more.
result<bool> free_record(write_transaction& txn, MDB_dbi in, byte_view key,
                         allowance& left) {
  BOOST_OUTCOME_TRY(record, txn.get(in, key));
  if (!record) return true;
  const std::uint64_t bytes = record->size();
  if (!left.fits(bytes)) return false;
  if (in == txn.in().values) {
    BOOST_OUTCOME_TRYV(remove_value(txn, key));
  } else {
    BOOST_OUTCOME_TRYV(txn.remove(in, key));
  }
  left.report.bytes_removed += bytes;
  return true;
}

// Frees what a name holds; false: some of it is left for the next sweep.
result<bool> free_name(write_transaction& txn, byte_view key, allowance& left) {
  digest name;
  if (key.size() != name.bytes.size()) return true;
  std::memcpy(name.bytes.data(), key.data(), key.size());
  // Taking a reference drops the tombstone; this asks all the same, because
  // freeing what is referred to cannot be undone.
  BOOST_OUTCOME_TRY(count, reference_count(txn, name));
  if (count != 0) return true;
  BOOST_OUTCOME_TRY(values, txn.keys(txn.in().values, key));
  for (const auto& value : values) {
    BOOST_OUTCOME_TRY(freed, free_record(txn, txn.in().values, value, left));
    if (!freed) return false;
  }
  BOOST_OUTCOME_TRY(freed, free_record(txn, txn.in().lens, key, left));
  if (freed) left.report.names_removed += 1;
  return freed;
}

result<sweep_report> lmdb_store::sweep(std::uint64_t bytes_max) {
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env_));
  sweep_report report;
  allowance left{bytes_max, report};
  bool changed = false;
  for (;;) {
    BOOST_OUTCOME_TRY(first, txn.keys(txn.in().tombstones, {}, 1));
    if (first.empty()) break;
    const byte_view key = first.front();
    BOOST_OUTCOME_TRY(freed, free_name(txn, key, left));
    if (!freed) {
      report.more = true;
      break;
    }
    BOOST_OUTCOME_TRYV(txn.remove(txn.in().tombstones, key));
    changed = true;
  }
  if (!changed && report.bytes_removed == 0) return report;  // nothing to sync
  BOOST_OUTCOME_TRYV(txn.commit());
  return report;
}

// ---- statistics ------------------------------------------------------------

struct abort_transaction {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
using read_transaction = std::unique_ptr<MDB_txn, abort_transaction>;

result<MDB_stat> stat_of(MDB_txn* txn, MDB_dbi in) {
  MDB_stat stat;
  if (const int rc = mdb_stat(txn, in, &stat))
    return lmdb_error(rc, "read a database's statistics");
  return stat;
}

// LMDB's database 0 lists free pages: a count, then as many page numbers.
result<std::uint64_t> free_pages(MDB_txn* txn) {
  std::uint64_t pages = 0;
  BOOST_OUTCOME_TRY(at, cursor::open(txn, 0));
  BOOST_OUTCOME_TRY(more, at.next());
  while (more) {
    std::size_t count = 0;
    if (at.value().size() >= sizeof count)
      std::memcpy(&count, at.value().data(), sizeof count);
    pages += count;
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return pages;
}

result<store_statistics> lmdb_store::statistics() const {
  MDB_txn* begun = nullptr;
  if (const int rc =
          mdb_txn_begin(env_->env.get(), nullptr, MDB_RDONLY, &begun))
    return lmdb_error(rc, "begin a read transaction");
  const read_transaction txn(begun);
  store_statistics s;
  const std::pair<MDB_dbi, std::uint64_t*> counted[] = {
      {env_->in.conversations, &s.conversations},
      {env_->in.references, &s.chunk_names},
      {env_->in.values, &s.values},
      {env_->in.tombstones, &s.tombstones},
  };
  std::uint64_t page_bytes = 0;
  for (const auto& [in, count] : counted) {
    BOOST_OUTCOME_TRY(stat, stat_of(txn.get(), in));
    *count = stat.ms_entries;
    page_bytes = stat.ms_psize;
  }
  BOOST_OUTCOME_TRY(totals, read_totals(txn.get(), env_->in));
  s.references = totals.references;
  s.value_bytes = totals.value_bytes;
  BOOST_OUTCOME_TRY(pages, free_pages(txn.get()));
  s.free_bytes = pages * page_bytes;
  std::error_code failed;
  s.file_bytes =
      std::filesystem::file_size(env_->directory / "data.mdb", failed);
  if (failed)
    return fail(error_code::io_error,
                "store: cannot read the file's size: " + failed.message());
  s.readers = env_->readers;
  return s;
}

}  // namespace

result<std::shared_ptr<store>> store::open(const store_options& options) {
  BOOST_OUTCOME_TRY(env, open_environment(options));
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(*env));
  BOOST_OUTCOME_TRYV(interrupt_running_turns(txn));
  BOOST_OUTCOME_TRYV(txn.commit());
  return std::shared_ptr<store>(std::make_shared<lmdb_store>(std::move(env)));
}

}  // namespace lamina

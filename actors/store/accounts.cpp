#include "actors/store/accounts.hpp"

#include <cstring>

#include "actors/store/stored_records.hpp"

namespace lamina {
namespace {

constexpr MDB_dbi free_list = 0, main_database = 1;  // LMDB's own
constexpr std::uint64_t meta_pages = 2;
enum table : std::size_t {
  conversations,
  chunks,
  values,
  lens,
  names,
  referrers,
  tombstones,
};

std::uint64_t pages_of(const MDB_stat& s) {
  return s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages;
}

// LMDB lists free pages by transaction: a count, then as many page numbers.
result<std::uint64_t> free_pages(MDB_txn* txn) {
  std::uint64_t pages = 0;
  BOOST_OUTCOME_TRY(at, cursor::open(txn, free_list));
  BOOST_OUTCOME_TRY(more, at.next());
  while (more) {
    std::size_t count = 0;
    BOOST_OUTCOME_TRY(record, at.value().copy(0, sizeof count));
    if (record.size() == sizeof count)
      std::memcpy(&count, record.data(), sizeof count);
    pages += count;
    BOOST_OUTCOME_TRY(another, at.next());
    more = another;
  }
  return pages;
}

result<void> count_tables(MDB_txn* txn, const databases& in,
                          store_statistics& s) {
  BOOST_OUTCOME_TRY(totals, read_totals(txn, in));
  const auto counted = in.counted();
  for (std::size_t i = 0; i < counted.size(); ++i) {
    BOOST_OUTCOME_TRY(stat, statistics_of(txn, counted[i]));
    s.tables[i] = {stat.ms_entries, totals[i], stat.ms_branch_pages,
                   stat.ms_leaf_pages, stat.ms_overflow_pages};
  }
  s.conversations = s.tables[conversations].records;
  s.references = s.tables[referrers].records;
  s.tombstones = s.tables[tombstones].records;
  s.chunk_names = s.tables[names].records - s.tombstones;
  s.values = s.tables[values].records;
  s.value_bytes = s.tables[values].payload_bytes -
                  s.values * (sizeof(key_of(value_key{})) + value_prefix_bytes);
  return success();
}

// `pages`: those that the last commit counts.
result<file_accounts> count_file(MDB_txn* txn, const environment& env,
                                 const store_statistics& s) {
  file_accounts file;
  std::uint64_t page = 0, own = meta_pages, held = 0;
  for (const MDB_dbi in : {free_list, main_database, env.in.format}) {
    BOOST_OUTCOME_TRY(stat, statistics_of(txn, in));
    page = stat.ms_psize;
    own += pages_of(stat);
  }
  for (const table_statistics& t : s.tables) {
    own += t.branch_pages;
    held += t.leaf_pages + t.overflow_pages;
    file.live_bytes += t.payload_bytes;
  }
  file.own_bytes = own * page;
  file.rounding_bytes = held * page - file.live_bytes;
  BOOST_OUTCOME_TRY(free, free_pages(txn));
  file.free_bytes = free * page;

  std::error_code failed;
  file.file_bytes = std::filesystem::file_size(env.file(), failed);
  if (failed)
    return fail(error_code::io_error,
                "store: cannot read the file's size: " + failed.message());
  MDB_envinfo info{};
  if (const int rc = mdb_env_info(env.env.get(), &info))
    return lmdb_error(rc, "read the environment's state");
  const std::uint64_t counted = (info.me_last_pgno + 1) * page;
  if (counted > file.file_bytes)
    file.unwritten_bytes = counted - file.file_bytes;
  else
    file.behind_bytes = file.file_bytes - counted;
  return file;
}

}  // namespace

result<std::uint64_t> used_bytes(MDB_txn* txn, const databases& in) {
  std::uint64_t pages = meta_pages, page = 0;
  const auto add = [&](MDB_dbi one) -> result<void> {
    BOOST_OUTCOME_TRY(stat, statistics_of(txn, one));
    pages += pages_of(stat);
    page = stat.ms_psize;
    return success();
  };
  for (const MDB_dbi one : {free_list, main_database, in.format}) {
    BOOST_OUTCOME_TRYV(add(one));
  }
  for (const MDB_dbi one : in.counted()) {
    BOOST_OUTCOME_TRYV(add(one));
  }
  return pages * page;
}

result<store_statistics> count_store(MDB_txn* txn, const environment& env) {
  store_statistics s;
  BOOST_OUTCOME_TRYV(count_tables(txn, env.in, s));
  BOOST_OUTCOME_TRY(file, count_file(txn, env, s));
  s.file = file;
  s.file_bytes = file.file_bytes;
  s.free_bytes = file.free_bytes;
  return s;
}

}  // namespace lamina

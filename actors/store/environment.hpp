// The LMDB environment behind the store: opened once, shared by the writer and
// every reader, closed with the last of them.
//
// Any thread may begin transactions, within an `environment_use`; LMDB's own
// locks guard the rest. The handles change in one case only: LMDB gives an
// environment up for good when a meta page could not be written. The writer
// then waits until nobody uses it, and opens it anew.
//
// While it is open a file `running` lies in the directory. One that is there
// at opening says that the last process did not close the store: a child
// process then walks the pages first (inspection.hpp).
#pragma once

#include <lmdb.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/store/directory_lock.hpp"
#include "actors/store/store.hpp"

namespace lamina {

/// What LMDB's return code means here: disk_full, out_of_memory, corrupt,
/// limit_exceeded, else io_error, with the operation that met it.
error lmdb_error(int code, std::string_view operation);

struct databases {
  MDB_dbi format;         // "version", "totals"
  MDB_dbi conversations;  // id -> sealed conversation_record
  MDB_dbi chunks;         // id, index -> sealed chunk_record
  MDB_dbi values;         // name, site, first layer -> rows, stored value
  MDB_dbi lens;           // name -> sealed lens_block
  MDB_dbi names;          // name -> name_record
  MDB_dbi referrers;      // name, id, index -> nothing
  MDB_dbi tombstones;     // name -> nothing
  MDB_dbi access;         // time, id -> nothing
  MDB_dbi books;          // id -> sealed book_record
  MDB_dbi book_uses;      // id -> how many values name it

  /// Those with totals, in the order of `table_names`.
  std::array<MDB_dbi, table_names.size()> counted() const {
    return {conversations, chunks,     values, lens,  names,
            referrers,     tombstones, access, books, book_uses};
  }
};

/// What the environment knows of a reader. `since_ns` is when its call took its
/// snapshot, by the steady clock; 0: it holds none. The reader writes, whoever
/// asks for statistics reads. `txn` is the reader's within a use, and the
/// writer's while nobody has one.
struct reader_slot {
  std::atomic<bool> taken = false;
  MDB_txn* txn = nullptr;
  std::atomic<std::int64_t> since_ns = 0;
};

struct environment_close {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};

struct environment {
  explicit environment(directory_lock held) : lock(std::move(held)) {}
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment();

  // The lock is released after LMDB has closed its files.
  directory_lock lock;
  std::filesystem::path directory;
  store_options options;
  opening_report opened;
  std::unique_ptr<MDB_env, environment_close> env;
  databases in{};
  std::atomic<std::uint32_t> readers{0};
  std::vector<reader_slot> slots;
  enum class state { open, closing, closed };
  std::atomic<state> now{state::open};
  std::atomic<std::uint32_t> uses{0};
  /// A page of the map could not be read. No transaction begins any more.
  std::atomic<bool> unreadable{false};

  std::filesystem::path file() const { return directory / "data.mdb"; }
  std::filesystem::path marker() const { return directory / "running"; }

  /// Null when all are taken: there may be no more readers.
  reader_slot* take_slot();
  /// The age of the oldest snapshot that a reader of this process holds.
  std::chrono::nanoseconds oldest_snapshot() const;
};

/// Keeps `environment::env` as it is for as long as it lives. A call's length:
/// the writer waits for its end.
class environment_use {
 public:
  /// unavailable while the environment cannot be used.
  static result<environment_use> begin(environment& env);
  environment_use(environment_use&& other) noexcept
      : env_(std::exchange(other.env_, nullptr)) {}
  environment_use& operator=(environment_use&&) = delete;
  ~environment_use() {
    if (env_ != nullptr) env_->uses -= 1;
  }

 private:
  explicit environment_use(environment& env) : env_(&env) {}
  environment* env_;
};

/// Closes LMDB's environment and opens it again; the writer's thread. When that
/// fails it stays closed, and the next attempt may succeed.
result<void> reopen(environment& e);

/// Marks the environment of a transaction unreadable; the error to return.
error bus_error(MDB_txn* txn);
error unreadable_error(const environment& env);

/// Takes the lock, opens or creates the files, checks and migrates the format.
result<std::shared_ptr<environment>> open_environment(
    const store_options& options);

}  // namespace lamina

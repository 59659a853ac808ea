// The LMDB environment behind the store: opened once, shared by the writer and
// every reader, closed with the last of them.
//
// The handles are set while opening and never change; LMDB's own locks guard
// the rest, so any thread may begin transactions.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "actors/store/store.hpp"

namespace lamina {

/// Raised when the layout changes; a newer one is refused.
inline constexpr std::uint32_t store_format_version = 1;

/// What LMDB's return code means here: disk_full, out_of_memory, corrupt,
/// limit_exceeded, else io_error, with the operation that met it.
error lmdb_error(int code, std::string_view operation);

/// The lock of a state directory: at most one process holds it. Released when
/// it goes, also by a crash.
class directory_lock {
 public:
  /// unavailable, naming the process that holds it.
  static result<directory_lock> take(const std::filesystem::path& directory);

  directory_lock(directory_lock&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  directory_lock& operator=(directory_lock&&) = delete;
  ~directory_lock();

 private:
  explicit directory_lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

struct databases {
  MDB_dbi format;         // "version", "totals"
  MDB_dbi conversations;  // id -> sealed conversation_record
  MDB_dbi chunks;         // id, index -> sealed chunk_record
  MDB_dbi values;         // name, site, first layer -> rows, stored value
  MDB_dbi lens;           // name -> sealed lens_block
  MDB_dbi references;     // name -> count
  MDB_dbi tombstones;     // name -> nothing
};

struct environment_close {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};

struct environment {
  explicit environment(directory_lock held) : lock(std::move(held)) {}

  // The lock is released after LMDB has closed its files.
  directory_lock lock;
  std::filesystem::path directory;
  std::unique_ptr<MDB_env, environment_close> env;
  databases in{};
  std::atomic<std::uint32_t> readers{0};
};

/// Takes the lock, opens or creates the files, checks the format version.
result<std::shared_ptr<environment>> open_environment(
    const store_options& options);

}  // namespace lamina

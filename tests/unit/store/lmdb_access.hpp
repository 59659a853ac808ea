// Looks into a closed store, and changes it, through LMDB itself.
#pragma once

#include <gtest/gtest.h>
#include <lmdb.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

/// One write transaction on a store that nobody has open; committed at the
/// end.
class lmdb_access {
 public:
  using bytes = std::vector<std::byte>;

  explicit lmdb_access(const std::filesystem::path& directory) {
    EXPECT_EQ(mdb_env_create(&env_), 0);
    mdb_env_set_maxdbs(env_, 16);
    mdb_env_set_mapsize(env_, std::size_t{1} << 30);
    EXPECT_EQ(mdb_env_open(env_, directory.c_str(), 0, 0600), 0);
    EXPECT_EQ(mdb_txn_begin(env_, nullptr, 0, &txn_), 0);
  }
  lmdb_access(const lmdb_access&) = delete;
  lmdb_access& operator=(const lmdb_access&) = delete;
  ~lmdb_access() {
    EXPECT_EQ(mdb_txn_commit(txn_), 0);
    mdb_env_close(env_);
  }

  /// All keys of a database, in order; nothing when it is not there.
  std::optional<std::vector<bytes>> keys(const char* database) {
    MDB_dbi in = 0;
    if (mdb_dbi_open(txn_, database, 0, &in) != 0) return std::nullopt;
    MDB_cursor* at = nullptr;
    EXPECT_EQ(mdb_cursor_open(txn_, in, &at), 0);
    std::vector<bytes> all;
    MDB_val key{}, record{};
    while (mdb_cursor_get(at, &key, &record, MDB_NEXT) == 0) {
      const auto* first = static_cast<const std::byte*>(key.mv_data);
      all.emplace_back(first, first + key.mv_size);
    }
    mdb_cursor_close(at);
    return all;
  }
  /// Empty when it is not there.
  bytes record(const char* database, bytes key) {
    MDB_dbi in = 0;
    EXPECT_EQ(mdb_dbi_open(txn_, database, 0, &in), 0);
    MDB_val k{key.size(), key.data()}, r{};
    if (mdb_get(txn_, in, &k, &r) != 0) return {};
    const auto* first = static_cast<const std::byte*>(r.mv_data);
    return {first, first + r.mv_size};
  }
  void drop(const char* database) {
    MDB_dbi in = 0;
    EXPECT_EQ(mdb_dbi_open(txn_, database, 0, &in), 0);
    EXPECT_EQ(mdb_drop(txn_, in, 1), 0);
  }
  void put(const char* database, bytes key, bytes record) {
    MDB_dbi in = 0;
    EXPECT_EQ(mdb_dbi_open(txn_, database, 0, &in), 0);
    MDB_val k{key.size(), key.data()}, r{record.size(), record.data()};
    EXPECT_EQ(mdb_put(txn_, in, &k, &r, 0), 0);
  }
  void remove(const char* database, bytes key) {
    MDB_dbi in = 0;
    EXPECT_EQ(mdb_dbi_open(txn_, database, 0, &in), 0);
    MDB_val k{key.size(), key.data()};
    EXPECT_EQ(mdb_del(txn_, in, &k, nullptr), 0);
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_txn* txn_ = nullptr;
};

}  // namespace lamina

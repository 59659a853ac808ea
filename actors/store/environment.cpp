#include "actors/store/environment.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "actors/store/keys.hpp"
#include "actors/store/transaction.hpp"

namespace lamina {
namespace {

namespace fs = std::filesystem;

// Another process's writer cannot be there, so what is left to fail is ours.
constexpr mdb_mode_t file_mode = 0600;

error system_error(int code, const std::string& doing) {
  return {code == ENOSPC || code == EDQUOT ? error_code::disk_full
                                           : error_code::io_error,
          "cannot " + doing + ": " + std::strerror(code)};
}

// "4711", or empty when the holder has not written it yet.
std::string read_pid(int descriptor) {
  char text[32] = {};
  const ssize_t n = ::pread(descriptor, text, sizeof text - 1, 0);
  std::string pid(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!pid.empty() && pid.back() == '\n')
    pid.pop_back();
  return pid;
}

result<void> make_directory(const fs::path& directory) {
  std::error_code failed;
  if (fs::is_directory(directory, failed)) return success();
  if (directory.has_parent_path())
    fs::create_directories(directory.parent_path(), failed);
  // 0700 from the first moment: it holds what people asked their models.
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return system_error(errno, "create the directory " + directory.string());
  return success();
}

result<void> open_databases(environment& e) {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(e.env.get(), nullptr, 0, &txn))
    return lmdb_error(rc, "begin the first transaction");
  const std::pair<const char*, MDB_dbi*> wanted[] = {
      {"format", &e.in.format},
      {"conversations", &e.in.conversations},
      {"chunks", &e.in.chunks},
      {"values", &e.in.values},
      {"lens", &e.in.lens},
      {"references", &e.in.references},
      {"tombstones", &e.in.tombstones},
  };
  for (const auto& [name, handle] : wanted)
    if (const int rc = mdb_dbi_open(txn, name, MDB_CREATE, handle)) {
      mdb_txn_abort(txn);
      return lmdb_error(rc, "open the database \"" + std::string(name) + '"');
    }
  if (const int rc = mdb_txn_commit(txn))
    return lmdb_error(rc, "commit the first transaction");
  return success();
}

result<void> check_version(environment& e) {
  BOOST_OUTCOME_TRY(txn, write_transaction::begin(e));
  const auto key = key_of("version");
  BOOST_OUTCOME_TRY(found, txn.get(e.in.format, key));
  std::uint32_t version = store_format_version;
  if (!found) {
    BOOST_OUTCOME_TRYV(
        txn.put(e.in.format, key, std::as_bytes(std::span(&version, 1))));
    return txn.commit();
  }
  if (found->size() != sizeof version)
    return fail(error_code::corrupt, e.directory.string() +
                                         ": the format version's record has "
                                         "the wrong length");
  std::memcpy(&version, found->data(), sizeof version);
  if (version > store_format_version)
    return fail(error_code::unsupported_version,
                e.directory.string() + " has format version " +
                    std::to_string(version) + "; this build reads up to " +
                    std::to_string(store_format_version));
  return success();
}

}  // namespace

error lmdb_error(int code, std::string_view operation) {
  error_code meaning = error_code::io_error;
  switch (code) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
      meaning = error_code::disk_full;
      break;
    case ENOMEM:
      meaning = error_code::out_of_memory;
      break;
    case MDB_READERS_FULL:
      meaning = error_code::limit_exceeded;
      break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      meaning = error_code::corrupt;
      break;
    default:
      break;
  }
  return {meaning, "store: cannot " + std::string(operation) + ": " +
                       mdb_strerror(code)};
}

result<directory_lock> directory_lock::take(const fs::path& directory) {
  const fs::path path = directory / "lock";
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return system_error(errno, "open " + path.string());
  directory_lock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return system_error(errno, "lock " + path.string());
    return fail(
        error_code::unavailable,
        directory.string() + " is in use by process " + read_pid(descriptor));
  }
  const std::string pid = std::to_string(::getpid()) + '\n';
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, pid.data(), pid.size(), 0) !=
          static_cast<ssize_t>(pid.size()))
    return system_error(errno, "write " + path.string());
  return lock;
}

directory_lock::~directory_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

result<std::shared_ptr<environment>> open_environment(
    const store_options& options) {
  BOOST_OUTCOME_TRYV(make_directory(options.directory));
  BOOST_OUTCOME_TRY(lock, directory_lock::take(options.directory));
  auto e = std::make_shared<environment>(std::move(lock));
  e->directory = options.directory;

  MDB_env* env = nullptr;
  if (const int rc = mdb_env_create(&env))
    return lmdb_error(rc, "create an environment");
  e->env.reset(env);
  mdb_env_set_maxdbs(env, 16);
  mdb_env_set_maxreaders(env, options.readers_max);
  if (const int rc = mdb_env_set_mapsize(env, options.map_bytes))
    return lmdb_error(rc, "reserve the map");
  // Read-ahead stays on: without it cold reads took ten times longer.
  const unsigned flags = MDB_NOTLS | (options.sync ? 0u : MDB_NOSYNC);
  if (const int rc =
          mdb_env_open(env, options.directory.c_str(), flags, file_mode))
    return lmdb_error(rc, "open " + options.directory.string());
  int dead_readers = 0;
  mdb_reader_check(env, &dead_readers);
  BOOST_OUTCOME_TRYV(open_databases(*e));
  BOOST_OUTCOME_TRYV(check_version(*e));
  return e;
}

}  // namespace lamina

#include "actors/store/environment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "actors/store/format.hpp"
#include "actors/store/inspection.hpp"
#include "actors/store/mapped.hpp"
#include "actors/store/page_check.hpp"

namespace lamina {
namespace {

namespace fs = std::filesystem;

constexpr mdb_mode_t file_mode = 0600;

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

// The marker must be there after a power cut, or an unclean exit would pass
// for a clean one: so its directory is synced too.
result<void> leave_marker(const environment& e) {
  const int marker =
      ::open(e.marker().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (marker < 0) return system_error(errno, "create " + e.marker().string());
  ::close(marker);
  const int directory =
      ::open(e.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return system_error(errno, "open " + e.directory.string());
  const int failed = ::fsync(directory) != 0 ? errno : 0;
  ::close(directory);
  if (failed != 0) return system_error(failed, "sync " + e.directory.string());
  return success();
}

result<void> open_map(environment& e) {
  const store_options& options = e.options;
  MDB_env* env = nullptr;
  if (const int rc = mdb_env_create(&env))
    return lmdb_error(rc, "create an environment");
  e.env.reset(env);
  mdb_env_set_userctx(env, &e);
  mdb_env_set_maxdbs(env, 16);
  mdb_env_set_maxreaders(env, options.readers_max);
  if (const int rc = mdb_env_set_mapsize(env, options.map_bytes))
    return lmdb_error(rc, "reserve the map");
  // Read-ahead stays on: without it cold reads took ten times longer.
  const unsigned flags = MDB_NOTLS | (options.sync ? 0u : MDB_NOSYNC);
  if (const int rc = mdb_env_open(env, e.directory.c_str(), flags, file_mode)) {
    e.env.reset();
    return lmdb_error(rc, "open " + e.directory.string());
  }
  int dead_readers = 0;
  mdb_reader_check(env, &dead_readers);
  return success();
}

// After an unclean exit the pages are walked before LMDB follows them.
result<void> inspect_and_open(environment& e) {
  e.opened.unclean = fs::exists(e.marker());
  if (e.opened.unclean || is_shorter_than_it_says(e.file())) {
    BOOST_OUTCOME_TRY(damage, inspect_in_child(e.file()));
    if (!damage.empty()) {
      BOOST_OUTCOME_TRYV(set_aside(e, damage));
    }
  }
  const auto opened = open_map(e);
  if (opened.has_value() || opened.error().code != error_code::corrupt)
    return opened;
  BOOST_OUTCOME_TRYV(set_aside(e, opened.error().context));
  return open_map(e);
}

}  // namespace

error lmdb_error(int code, std::string_view operation) {
  error_code meaning = error_code::io_error;
  switch (code) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // beyond the limit that this process has for a file
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

environment::~environment() {
  const bool opened_before = env != nullptr;
  env.reset();
  // What could not be read must be looked at before it is opened again.
  std::error_code ignored;
  if (opened_before && !unreadable) fs::remove(marker(), ignored);
}

reader_slot* environment::take_slot() {
  for (reader_slot& slot : slots) {
    bool free = false;
    if (slot.taken.compare_exchange_strong(free, true)) return &slot;
  }
  return nullptr;
}

std::chrono::nanoseconds environment::oldest_snapshot() const {
  std::int64_t oldest = 0;
  for (const reader_slot& slot : slots) {
    const std::int64_t since = slot.since_ns;
    if (since != 0 && (oldest == 0 || since < oldest)) oldest = since;
  }
  if (oldest == 0) return {};
  return std::chrono::steady_clock::now().time_since_epoch() -
         std::chrono::nanoseconds(oldest);
}

error bus_error(MDB_txn* txn) {
  auto& e = *static_cast<environment*>(mdb_env_get_userctx(mdb_txn_env(txn)));
  e.unreadable = true;
  return unreadable_error(e);
}

error unreadable_error(const environment& env) {
  return {error_code::unavailable,
          "store: a page of " + env.file().string() +
              " could not be read (SIGBUS): the file was cut short or the "
              "disk fails; it is left alone until the store is opened again"};
}

// ---- use and reopening -----------------------------------------------------

result<environment_use> environment_use::begin(environment& env) {
  if (env.unreadable) return unreadable_error(env);
  env.uses += 1;
  environment_use use(env);
  if (env.now != environment::state::open)
    return fail(error_code::unavailable,
                "store: " + env.file().string() + " is being opened again");
  return use;
}

result<void> reopen(environment& e) {
  e.now = environment::state::closing;
  // Calls are short, and none begins any more.
  while (e.uses != 0)
    std::this_thread::yield();
  for (reader_slot& slot : e.slots)
    if (MDB_txn* const txn = std::exchange(slot.txn, nullptr))
      mdb_txn_abort(txn);
  e.env.reset();
  e.now = environment::state::closed;
  BOOST_OUTCOME_TRYV(open_map(e));
  BOOST_OUTCOME_TRYV(open_databases(e));
  e.now = environment::state::open;
  return success();
}

result<std::shared_ptr<environment>> open_environment(
    const store_options& options) {
  install_bus_error_handler();
  BOOST_OUTCOME_TRYV(make_directory(options.directory));
  BOOST_OUTCOME_TRY(lock, directory_lock::take(options.directory));
  auto e = std::make_shared<environment>(std::move(lock));
  e->directory = options.directory;
  e->options = options;
  e->slots = std::vector<reader_slot>(options.readers_max);
  BOOST_OUTCOME_TRYV(inspect_and_open(*e));
  BOOST_OUTCOME_TRYV(leave_marker(*e));
  BOOST_OUTCOME_TRYV(prepare_format(*e));
  return e;
}

}  // namespace lamina

// Stands between LMDB and the operating system in a test program: the program
// defines open, pwrite, writev, lseek, fdatasync, fsync, ftruncate and close
// itself, and the dynamic linker prefers them to the C library's.
//
// Files called data.mdb below a watched directory are logged: every write,
// every sync, in order. Nothing of them is really synced, for what a power cut
// would leave is built from the log. Writes can be made to fail. One thread
// at a time may use the watched files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lamina::io_shim {

struct event {
  enum class kind { write, sync, resize, acknowledge };
  kind what = kind::write;
  std::uint64_t at = 0;  // a write's offset; a new size; a step's number
  std::vector<std::byte> bytes;
  bool synchronous = false;  // O_DSYNC: on the disk when the call returns
};

/// From now on; forgets what was logged. The prefix of paths to watch.
void watch(const std::string& directory);
void unwatch();
std::vector<event> take_log();

/// The writer says that a step is durable, as far as it knows.
void acknowledge(std::uint64_t step);

/// Which calls fail.
enum class target { data_writes, meta_writes, syncs };

/// After `good` more calls of that kind all fail with `code`, until `heal`.
void fail_after(target which, std::uint64_t good, int code);
void heal();

}  // namespace lamina::io_shim

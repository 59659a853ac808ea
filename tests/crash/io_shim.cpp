#include "tests/crash/io_shim.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <optional>
#include <string_view>
#include <utility>

namespace lamina::io_shim {
namespace {

struct watched_file {
  bool is = false;
  bool synchronous = false;
  std::uint64_t at = 0;  // where writev writes
};

struct planned_failure {
  target which;
  std::uint64_t good;
  int code;
};

std::string directory;
std::array<watched_file, 1024> files;
std::vector<event> events;
std::optional<planned_failure> failure;

watched_file* file_of(int descriptor) {
  if (descriptor < 0 || descriptor >= static_cast<int>(files.size()))
    return nullptr;
  watched_file& f = files[static_cast<std::size_t>(descriptor)];
  return f.is ? &f : nullptr;
}

// True: the call fails, and errno says how.
bool fails(target which) {
  if (!failure || failure->which != which) return false;
  if (failure->good > 0) {
    --failure->good;
    return false;
  }
  errno = failure->code;
  return true;
}

target kind_of(const watched_file& f) {
  return f.synchronous ? target::meta_writes : target::data_writes;
}

void log_write(const watched_file& f, std::uint64_t at, const void* from,
               std::size_t count) {
  const auto* first = static_cast<const std::byte*>(from);
  events.push_back(
      {event::kind::write, at, {first, first + count}, f.synchronous});
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

void watch(const std::string& below) {
  directory = below;
  events.clear();
}
void unwatch() {
  directory.clear();
}
std::vector<event> take_log() {
  return std::exchange(events, {});
}
void acknowledge(std::uint64_t step) {
  events.push_back({event::kind::acknowledge, step, {}, false});
}
void fail_after(target which, std::uint64_t good, int code) {
  failure = {which, good, code};
}
void heal() {
  failure.reset();
}

}  // namespace lamina::io_shim

using namespace lamina::io_shim;

extern "C" {

int open(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  const std::string_view name(path);
  const bool ours = !directory.empty() && name.starts_with(directory) &&
                    name.ends_with("/data.mdb");
  const int descriptor = real(path, ours ? flags & ~O_DSYNC : flags, mode);
  if (descriptor >= 0 && descriptor < static_cast<int>(files.size()))
    files[static_cast<std::size_t>(descriptor)] = {
        ours, ours && (flags & O_DSYNC) != 0, 0};
  return descriptor;
}

int close(int descriptor) {
  static const auto real = next<int (*)(int)>("close");
  if (auto* f = file_of(descriptor)) *f = {};
  return real(descriptor);
}

off_t lseek(int descriptor, off_t offset, int whence) {
  static const auto real = next<off_t (*)(int, off_t, int)>("lseek");
  const off_t now = real(descriptor, offset, whence);
  if (auto* f = file_of(descriptor)) f->at = static_cast<std::uint64_t>(now);
  return now;
}

ssize_t pwrite(int descriptor, const void* from, size_t count, off_t at) {
  static const auto real =
      next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  auto* f = file_of(descriptor);
  if (f == nullptr) return real(descriptor, from, count, at);
  if (fails(kind_of(*f))) return -1;
  log_write(*f, static_cast<std::uint64_t>(at), from, count);
  return real(descriptor, from, count, at);
}

ssize_t writev(int descriptor, const struct iovec* pieces, int count) {
  static const auto real =
      next<ssize_t (*)(int, const struct iovec*, int)>("writev");
  auto* f = file_of(descriptor);
  if (f == nullptr) return real(descriptor, pieces, count);
  if (fails(kind_of(*f))) return -1;
  for (int i = 0; i < count; ++i) {
    log_write(*f, f->at, pieces[i].iov_base, pieces[i].iov_len);
    f->at += pieces[i].iov_len;
  }
  return real(descriptor, pieces, count);
}

static int sync_of(int descriptor, const char* name) {
  auto* f = file_of(descriptor);
  if (f == nullptr) return next<int (*)(int)>(name)(descriptor);
  if (fails(target::syncs)) return -1;
  events.push_back({event::kind::sync, 0, {}, false});
  return 0;
}

int fdatasync(int descriptor) {
  return sync_of(descriptor, "fdatasync");
}

int fsync(int descriptor) {
  return sync_of(descriptor, "fsync");
}

int ftruncate(int descriptor, off_t size) noexcept {
  static const auto real = next<int (*)(int, off_t)>("ftruncate");
  if (file_of(descriptor) != nullptr)
    events.push_back(
        {event::kind::resize, static_cast<std::uint64_t>(size), {}, false});
  return real(descriptor, size);
}

}  // extern "C"

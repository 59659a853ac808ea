// Preloaded into a real daemon (LD_PRELOAD), so that tests from outside can
// have its disk fail and its clock be wrong:
//
//   LAMINA_DISK_FAULT     a file; while it holds a number, writes and syncs of
//                         the store's file fail with that errno
//   LAMINA_CLOCK_SHIFT_S  seconds that the wall clock is ahead (or, negative,
//                         behind)
//
// Any thread. The other shim (io_shim.hpp) is part of a test program instead,
// and keeps a log.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

bool is_the_stores(int descriptor) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = ::readlink(link, path, sizeof path);
  return length > 0 && std::string_view(path, static_cast<std::size_t>(length))
                           .ends_with("/data.mdb");
}

int number_in(const char* path) {
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  char text[16] = {};
  const ssize_t length = ::read(descriptor, text, sizeof text - 1);
  ::close(descriptor);
  return length > 0 ? std::atoi(text) : 0;
}

// True: the call fails, and errno says how.
bool fails(int descriptor) {
  static const char* const fault = std::getenv("LAMINA_DISK_FAULT");
  if (fault == nullptr || !is_the_stores(descriptor)) return false;
  const int code = number_in(fault);
  if (code == 0) return false;
  errno = code;
  return true;
}

}  // namespace

extern "C" {

ssize_t pwrite(int descriptor, const void* from, size_t count, off_t at) {
  static const auto real =
      next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return fails(descriptor) ? -1 : real(descriptor, from, count, at);
}

ssize_t writev(int descriptor, const struct iovec* pieces, int count) {
  static const auto real =
      next<ssize_t (*)(int, const struct iovec*, int)>("writev");
  return fails(descriptor) ? -1 : real(descriptor, pieces, count);
}

int fdatasync(int descriptor) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return fails(descriptor) ? -1 : real(descriptor);
}

int clock_gettime(clockid_t clock, struct timespec* now) noexcept {
  static const auto real =
      next<int (*)(clockid_t, struct timespec*)>("clock_gettime");
  static const char* const shift = std::getenv("LAMINA_CLOCK_SHIFT_S");
  const int outcome = real(clock, now);
  if (clock == CLOCK_REALTIME && shift != nullptr && outcome == 0)
    now->tv_sec += std::atol(shift);
  return outcome;
}

}  // extern "C"

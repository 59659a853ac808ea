#include "actors/store/directory_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lamina {
namespace {

// "4711", or empty when the holder has not written it yet.
std::string read_pid(int descriptor) {
  char text[32] = {};
  const ssize_t n = ::pread(descriptor, text, sizeof text - 1, 0);
  std::string pid(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!pid.empty() && pid.back() == '\n')
    pid.pop_back();
  return pid;
}

}  // namespace

error system_error(int code, const std::string& doing) {
  return {code == ENOSPC || code == EDQUOT ? error_code::disk_full
                                           : error_code::io_error,
          "cannot " + doing + ": " + std::strerror(code)};
}

result<directory_lock> directory_lock::take(
    const std::filesystem::path& directory) {
  const auto path = directory / "lock";
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

}  // namespace lamina

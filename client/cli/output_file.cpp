#include "client/cli/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace lamina::cli {
namespace {

// A file that vanishes unless it was moved to its place.
class temporary_file {
 public:
  explicit temporary_file(const std::string& target)
      : path_(target + ".XXXXXX"), fd_(::mkostemp(path_.data(), O_CLOEXEC)) {}
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    if (fd_ < 0) return;
    ::close(fd_);
    if (!placed_) ::unlink(path_.c_str());
  }

  bool is_open() const { return fd_ >= 0; }

  bool write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return true;
  }

  // mkostemp makes files private; the result follows the user's umask.
  bool place(const std::string& target) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    placed_ = ::fchmod(fd_, 0666 & ~mask) == 0 && ::fsync(fd_) == 0 &&
              ::rename(path_.c_str(), target.c_str()) == 0;
    return placed_;
  }

 private:
  std::string path_;
  int fd_;
  bool placed_ = false;
};

result<void> refuse(const std::string& path) {
  const int problem = errno;
  const auto code = problem == ENOSPC || problem == EDQUOT
                        ? error_code::disk_full
                        : error_code::io_error;
  return fail(code, "cannot write " + path + " (" +
                        std::generic_category().message(problem) + ")");
}

}  // namespace

result<void> write_whole_file(
    const std::string& path,
    std::span<const std::span<const std::byte>> parts) {
  temporary_file file(path);
  if (!file.is_open()) return refuse(path);
  for (const auto& part : parts)
    if (!file.write(part)) return refuse(path);
  if (!file.place(path)) return refuse(path);
  return success();
}

}  // namespace lamina::cli

#include "client/cli/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace lamina::cli {
namespace {

result<void> refuse(const std::string& path) {
  const int problem = errno;
  const auto code = problem == ENOSPC || problem == EDQUOT
                        ? error_code::disk_full
                        : error_code::io_error;
  return fail(code, "cannot write " + path + " (" +
                        std::generic_category().message(problem) + ")");
}

}  // namespace

output_file::output_file(std::string path, std::string temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

output_file::output_file(output_file&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

output_file& output_file::operator=(output_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(fd_, other.fd_);
  return *this;
}

output_file::~output_file() {
  discard();
}

void output_file::discard() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

result<output_file> output_file::create(const std::string& path) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return refuse(path).error();
  return output_file(path, std::move(temporary), fd);
}

result<void> output_file::write_at(std::uint64_t offset,
                                   std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto written =
        ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return refuse(path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return success();
}

result<void> output_file::place() {
  // mkostemp makes files private; the result follows the user's umask.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd_, 0666 & ~mask) != 0 || ::fsync(fd_) != 0 ||
      ::rename(temporary_.c_str(), path_.c_str()) != 0)
    return refuse(path_);
  temporary_.clear();
  return success();
}

result<void> write_whole_file(
    const std::string& path,
    std::span<const std::span<const std::byte>> parts) {
  BOOST_OUTCOME_TRY(file, output_file::create(path));
  std::uint64_t offset = 0;
  for (const auto& part : parts) {
    BOOST_OUTCOME_TRYV(file.write_at(offset, part));
    offset += part.size();
  }
  return file.place();
}

}  // namespace lamina::cli

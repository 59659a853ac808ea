#include "actors/model/checkpoint/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace lamina {
namespace {

error system_error(const std::filesystem::path& path, const char* what) {
  const int number = errno;
  const bool missing = number == ENOENT || number == ENOTDIR;
  return {missing ? error_code::not_found : error_code::io_error,
          path.string() + ": " + what + ": " + std::strerror(number)};
}

}  // namespace

mapped_file::mapped_file(std::filesystem::path path, int descriptor,
                         std::span<const std::byte> bytes)
    : path_(std::move(path)), descriptor_(descriptor), bytes_(bytes) {}

mapped_file::~mapped_file() {
  if (!bytes_.empty())
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  ::close(descriptor_);
}

result<mapped_file_ptr> mapped_file::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return system_error(path, "cannot be opened");
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return fail(error_code::io_error, path.string() + ": is not a file");
  }
  std::span<const std::byte> bytes;
  if (const auto size = static_cast<std::size_t>(status.st_size); size > 0) {
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (at == MAP_FAILED) {
      const error e = system_error(path, "cannot be mapped");
      ::close(descriptor);
      return e;
    }
    bytes = {static_cast<const std::byte*>(at), size};
  }
  return mapped_file_ptr(new mapped_file(path, descriptor, bytes));
}

file_identity mapped_file::identity() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return {};
  const auto nanoseconds = [](const timespec& t) {
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(t.tv_nsec);
  };
  return {status.st_dev, status.st_ino,
          static_cast<std::uint64_t>(status.st_size),
          nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

bool mapped_file::unchanged() const {
  return identity().bytes == bytes_.size();
}

result<std::string> read_small_file(const std::filesystem::path& path,
                                    std::size_t bytes_max) {
  BOOST_OUTCOME_TRY(file, mapped_file::open(path));
  const auto bytes = file->bytes();
  if (bytes.size() > bytes_max)
    return fail(error_code::corrupt, path.string() + ": is larger than " +
                                         std::to_string(bytes_max) + " bytes");
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace lamina

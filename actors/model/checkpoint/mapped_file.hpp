// A file mapped read-only into memory, for as long as the object lives.
//
// The pages are the kernel's: a file that shrinks while it is mapped makes
// reads past its new end fault. `unchanged` tells whether that happened so
// far; loading checks it once more at its end. Any thread may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "protocol/error.hpp"

namespace lamina {

/// Which bytes a file has, as far as the kernel's word goes: it changes with
/// every write.
struct file_identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  std::uint64_t modified_ns = 0;
  std::uint64_t changed_ns = 0;
};

class mapped_file {
 public:
  /// not_found, io_error. An empty file maps to an empty span.
  static result<std::shared_ptr<const mapped_file>> open(
      const std::filesystem::path& path);

  ~mapped_file();
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  /// As it is now; all zero when the kernel does not say.
  file_identity identity() const;

  /// True when the file still has the size that was mapped.
  bool unchanged() const;

 private:
  mapped_file(std::filesystem::path path, int descriptor,
              std::span<const std::byte> bytes);

  std::filesystem::path path_;
  int descriptor_;
  std::span<const std::byte> bytes_;
};

using mapped_file_ptr = std::shared_ptr<const mapped_file>;

/// A whole small file; `bytes_max` bounds it. not_found, io_error, corrupt.
result<std::string> read_small_file(const std::filesystem::path& path,
                                    std::size_t bytes_max);

}  // namespace lamina

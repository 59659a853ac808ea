// Writes a file whole or not at all: into a temporary file beside it, synced,
// then renamed over it. A reader never sees half of it; an interrupted write
// leaves the old file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "protocol/error.hpp"

namespace lamina::cli {

/// A file in the making, for what does not fit memory. Gone unless it was
/// placed. Every error is io_error or disk_full and names the path.
class output_file {
 public:
  static result<output_file> create(const std::string& path);
  output_file(output_file&&) noexcept;
  output_file& operator=(output_file&&) noexcept;
  ~output_file();

  result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes);

  /// Synced and at its path.
  result<void> place();

 private:
  output_file(std::string path, std::string temporary, int fd);
  void discard();

  std::string path_;
  std::string temporary_;  // empty once it is placed
  int fd_ = -1;
};

/// `parts` one after another.
result<void> write_whole_file(
    const std::string& path, std::span<const std::span<const std::byte>> parts);

}  // namespace lamina::cli

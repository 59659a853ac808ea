// The lock of a state directory: at most one process holds it. Released when
// it goes, also by a crash.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "protocol/error.hpp"

namespace lamina {

/// What an errno means while `doing` something: disk_full or io_error.
error system_error(int code, const std::string& doing);

class directory_lock {
 public:
  /// unavailable, naming the process that holds it.
  static result<directory_lock> take(const std::filesystem::path& directory);

  directory_lock(directory_lock&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  directory_lock& operator=(directory_lock&&) = delete;
  ~directory_lock();

 private:
  explicit directory_lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace lamina

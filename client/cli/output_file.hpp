// Writes a file whole or not at all: into a temporary file beside it, synced,
// then renamed over it. A reader never sees half of it; an interrupted write
// leaves the old file.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "protocol/error.hpp"

namespace lamina::cli {

/// `parts` one after another. io_error or disk_full says what failed and
/// removes the temporary file.
result<void> write_whole_file(
    const std::string& path, std::span<const std::span<const std::byte>> parts);

}  // namespace lamina::cli

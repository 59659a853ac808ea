// Which directories models may be read from: the operator's allow-list. Any
// thread; asks the file system.
#pragma once

#include <filesystem>
#include <span>

#include "protocol/error.hpp"

namespace lamina {

/// The directory that `asked` really is, every symbolic link followed: what to
/// open. It and all that its entries lead to must lie in one of `roots`.
/// not_found; forbidden, naming what lies outside and where it leads to.
result<std::filesystem::path> allowed_directory(
    const std::filesystem::path& asked,
    std::span<const std::filesystem::path> roots);

}  // namespace lamina

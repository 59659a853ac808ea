// Looking at an LMDB file before LMDB follows its pages, and putting a damaged
// one out of the way. Used while opening, under the directory's lock.
#pragma once

#include <filesystem>
#include <string>

#include "actors/store/environment.hpp"

namespace lamina {

/// Walks every tree page of `file` (page_check.hpp) in a child process, so that
/// neither damage nor a disk that fails takes this one along. What is
/// damaged; empty when nothing is. io_error when it could not be looked at.
result<std::string> inspect_in_child(const std::filesystem::path& file);

/// Moves the files to `damaged-N` beside them and writes into `opened` why and
/// where. N is the first number that is free.
result<void> set_aside(environment& e, const std::string& damage);

}  // namespace lamina

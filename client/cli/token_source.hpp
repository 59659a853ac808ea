// Where the token for a daemon beyond this machine's sockets comes from.
#pragma once

#include <string>

#include "protocol/error.hpp"

namespace lamina::cli {

/// The variable's value; empty when it is not set.
std::string environment(const char* name);

/// The file's first line, if one is named; else LAMINA_TOKEN; else the first
/// line of the file that LAMINA_TOKEN_FILE names; else empty. io_error: the
/// file cannot be read; forbidden: others can read it.
result<std::string> find_token(const std::string& file);

}  // namespace lamina::cli

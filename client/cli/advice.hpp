// How the command line ends when something failed: an exit code, and a
// sentence that says what and what to try next. Pure.
#pragma once

#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace lamina::cli {

namespace exit_code {
inline constexpr int ok = 0;
inline constexpr int failed = 1;         // the daemon, or a file, said no
inline constexpr int usage = 2;          // the command line made no sense
inline constexpr int no_daemon = 3;      // nobody answers there
inline constexpr int interrupted = 130;  // Ctrl-C, as shells count it
}  // namespace exit_code

/// The exit code for an error that ended a command. `dialled`: a connection was
/// tried, `connected`: there is one, so that the error may be the daemon's.
int exit_code_for(const error& e, bool connected, bool dialled);

/// What to try after this error, as one imperative; every code has one.
std::string_view advice_for(error_code code);

/// "lamina: not_found: no conversation 1kq. Try: ..."
std::string sentence_for(const error& e);

/// The same when no connection could be made to `address`.
std::string sentence_for_connecting(const error& e, std::string_view address);

}  // namespace lamina::cli

// One line on a terminal's stderr that is written over itself while a command
// runs, and gone when it ends. Nothing where stderr is no terminal.
#pragma once

#include <unistd.h>

#include <string>

#include "client/cli/session.hpp"

namespace lamina::cli {

class progress_line {
 public:
  explicit progress_line(bool wanted)
      : shown_(wanted && ::isatty(STDERR_FILENO) == 1) {}
  ~progress_line() { clear(); }
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  void show(const std::string& line) {
    if (!shown_) return;
    write_error("\r\x1b[K" + line);
    written_ = true;
  }

 private:
  void clear() {
    if (written_) write_error("\r\x1b[K");
  }

  bool shown_;
  bool written_ = false;
};

}  // namespace lamina::cli

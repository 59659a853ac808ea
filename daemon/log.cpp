#include "daemon/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
// Without this the macros would log the place in this file.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace lamina {
namespace {

using spdlog::level::level_enum;

/// Where standard error goes, as systemd tells: journald may have been given up
/// for a file.
bool logs_to_journal() {
  const char* told = std::getenv("JOURNAL_STREAM");
  struct stat found {};
  if (told == nullptr || ::fstat(STDERR_FILENO, &found) != 0) return false;
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino) ==
         told;
}

int priority_of(level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return LOG_CRIT;
    case spdlog::level::err:
      return LOG_ERR;
    case spdlog::level::warn:
      return LOG_WARNING;
    case spdlog::level::info:
      return LOG_INFO;
    default:
      return LOG_DEBUG;
  }
}

class part_sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit part_sink(bool journal) : journal_(journal) {}

  void set_levels(level_enum standard,
                  const std::map<std::string, std::string>& levels) {
    std::lock_guard lock(mutex_);
    standard_ = standard;
    levels_.clear();
    for (const auto& [part, level] : levels)
      levels_[part] = spdlog::level::from_str(level);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& event) override {
    const std::string_view message(event.payload.data(), event.payload.size());
    const std::string part(part_of(message));
    const auto own = levels_.find(part);
    if (event.level < (own == levels_.end() ? standard_ : own->second)) return;
    const auto line = on_one_line(message);
    if (journal_) {
      sd_journal_send("MESSAGE=%s", line.c_str(), "PRIORITY=%i",
                      priority_of(event.level), "LAMINA_PART=%s", part.c_str(),
                      nullptr);
      return;
    }
    spdlog::memory_buf_t text;
    auto copy = event;
    copy.payload = line;
    formatter_->format(copy, text);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }

 private:
  bool journal_;
  level_enum standard_ = spdlog::level::info;
  std::map<std::string, level_enum> levels_;
};

}  // namespace

std::string on_one_line(std::string_view message) {
  constexpr char digits[] = "0123456789abcdef";
  std::string line;
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      line += c;
    } else {
      line += "\\x";
      line += digits[byte >> 4];
      line += digits[byte & 15];
    }
  }
  return line;
}

void set_up_log(const std::string& level,
                const std::map<std::string, std::string>& levels) {
  static const auto sink = std::make_shared<part_sink>(logs_to_journal());
  static const bool first = [] {
    auto log = std::make_shared<spdlog::logger>("laminad", sink);
    log->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    spdlog::set_default_logger(std::move(log));
    return true;
  }();
  static_cast<void>(first);
  const auto standard = spdlog::level::from_str(level);
  sink->set_levels(standard, levels);
  // What no part wants is not even formatted.
  auto least = standard;
  for (const auto& [part, own] : levels)
    least = std::min(least, spdlog::level::from_str(own));
  spdlog::set_level(least);
}

}  // namespace lamina

#include "actors/store/inspection.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>

#include "actors/store/page_check.hpp"

namespace lamina {
namespace {

namespace fs = std::filesystem;

enum exit_code : int { sound = 0, damaged = 1, not_looked_at = 2 };

// The child's whole life. It takes nothing from the parent but the path, and
// leaves without running what the parent registered for its end.
[[noreturn]] void look(const fs::path& file, int to) {
  int code = not_looked_at;
  std::string said = "out of memory";
  try {
    const auto census = check_pages(file);
    code = census.has_value()                           ? sound
           : census.error().code == error_code::corrupt ? damaged
                                                        : not_looked_at;
    said = census.has_error() ? census.error().context : "";
  } catch (const std::exception& e) {
    said = e.what();
  }
  [[maybe_unused]] const auto n = ::write(to, said.data(), said.size());
  ::_exit(code);
}

std::string read_to_end(int from) {
  std::string all;
  char some[512];
  for (;;) {
    const ssize_t n = ::read(from, some, sizeof some);
    if (n > 0) all.append(some, static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) return all;
  }
}

result<std::string> verdict(const fs::path& file, int status,
                            std::string said) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == sound) return std::string();
  if (WIFEXITED(status) && WEXITSTATUS(status) == damaged) return said;
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  // These come from outside and say nothing about the file.
  const bool stopped =
      signal == SIGKILL || signal == SIGTERM || signal == SIGINT;
  if (signal != 0 && !stopped)
    return "walking its pages ended by signal " + std::to_string(signal);
  return fail(error_code::io_error, "cannot inspect " + file.string() + ": " +
                                        (stopped ? "interrupted" : said));
}

}  // namespace

result<std::string> inspect_in_child(const fs::path& file) {
  if (!fs::exists(file)) return std::string();
  int ends[2];
  if (::pipe(ends) != 0) return system_error(errno, "make a pipe");
  const pid_t child = ::fork();
  if (child == 0) look(file, ends[1]);
  const int fork_failed = errno;
  ::close(ends[1]);
  std::string said = child > 0 ? read_to_end(ends[0]) : "";
  ::close(ends[0]);
  if (child < 0) return system_error(fork_failed, "start an inspection");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return system_error(errno, "wait for an inspection");
  return verdict(file, status, std::move(said));
}

result<void> set_aside(environment& e, const std::string& damage) {
  fs::path to;
  std::error_code failed;
  for (int n = 1; to.empty() || fs::exists(to); ++n)
    to = e.directory / ("damaged-" + std::to_string(n));
  fs::create_directory(to, failed);
  if (!failed) fs::permissions(to, fs::perms::owner_all, failed);
  if (!failed) fs::rename(e.file(), to / "data.mdb", failed);
  if (failed)
    return fail(error_code::io_error, damage + "; and it cannot be moved to " +
                                          to.string() + ": " +
                                          failed.message());
  // Only a table of readers, of no use without the environment.
  fs::remove(e.directory / "lock.mdb", failed);
  e.opened.moved_to = to;
  e.opened.damage =
      error{error_code::corrupt, "the store in " + e.directory.string() +
                                     " is damaged (" + damage +
                                     "); it was moved to " + to.string() +
                                     " as it is, and an empty one begun"};
  return success();
}

}  // namespace lamina

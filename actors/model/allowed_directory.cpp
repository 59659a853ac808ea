#include "actors/model/allowed_directory.hpp"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

namespace lamina {
namespace {

namespace fs = std::filesystem;

/// More files than any model has; each costs a look at the file system.
constexpr std::size_t entries_max = 10'000;

bool lies_in(const fs::path& real, const fs::path& root) {
  return std::mismatch(root.begin(), root.end(), real.begin(), real.end())
             .first == root.end();
}

// A root that does not exist allows nothing.
std::vector<fs::path> real_roots(std::span<const fs::path> roots) {
  std::vector<fs::path> real;
  for (const fs::path& root : roots) {
    std::error_code failed;
    fs::path found = fs::canonical(root, failed);
    if (!failed) real.push_back(std::move(found));
  }
  return real;
}

std::string list_of(std::span<const fs::path> roots) {
  std::string text;
  for (const fs::path& root : roots)
    text += (text.empty() ? "" : ", ") + root.string();
  return text.empty() ? "none is configured" : text;
}

result<fs::path> real_path(const fs::path& asked,
                           std::span<const fs::path> roots) {
  std::error_code failed;
  fs::path real = fs::canonical(asked, failed);
  if (failed)
    return fail(failed == std::errc::permission_denied ? error_code::io_error
                                                       : error_code::not_found,
                asked.string() + ": " + failed.message());
  const auto allowed = real_roots(roots);
  if (std::ranges::any_of(
          allowed, [&](const fs::path& root) { return lies_in(real, root); }))
    return real;
  const bool led = real != asked;
  return fail(error_code::forbidden,
              asked.string() + (led ? " (" + real.string() + ")" : "") +
                  " lies in none of the directories that models may be read "
                  "from: " +
                  list_of(roots));
}

}  // namespace

result<fs::path> allowed_directory(const fs::path& asked,
                                   std::span<const fs::path> roots) {
  if (!asked.is_absolute())
    return fail(error_code::invalid_argument,
                "'" + asked.string() + "' is not an absolute path");
  BOOST_OUTCOME_TRY(real, real_path(asked, roots));
  std::error_code failed;
  fs::directory_iterator entry(real, failed);
  std::size_t entries = 0;
  for (; !failed && entry != fs::directory_iterator();
       entry.increment(failed)) {
    if (++entries > entries_max)
      return fail(error_code::limit_exceeded, real.string() + ": more than " +
                                                  std::to_string(entries_max) +
                                                  " entries");
    std::error_code ignored;  // a link that leads nowhere is nothing to read
    if (!entry->is_symlink(ignored) || !fs::exists(entry->path(), ignored))
      continue;
    BOOST_OUTCOME_TRYV(real_path(entry->path(), roots));
  }
  if (failed)
    return fail(error_code::io_error, real.string() + ": " + failed.message());
  return real;
}

}  // namespace lamina

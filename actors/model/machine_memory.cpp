#include "actors/model/machine_memory.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <string_view>

namespace lamina {
namespace {

std::optional<std::uint64_t> number_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  if (!(in >> number)) return std::nullopt;  // "max": no limit
  return number;
}

std::uint64_t available_to_all() {
  std::ifstream in("/proc/meminfo");
  std::string name, unit;
  std::uint64_t kib = 0;
  while (in >> name >> kib) {
    std::getline(in, unit);
    if (name == "MemAvailable:") return kib * 1024;
  }
  return 0;
}

// Control groups, version 2: every group on the way up may have a limit.
std::optional<std::uint64_t> left_by_groups() {
  std::ifstream in("/proc/self/cgroup");
  std::string line, own;
  while (std::getline(in, line))
    if (line.starts_with("0::/")) own = line.substr(4);
  const std::filesystem::path root = "/sys/fs/cgroup";
  std::optional<std::uint64_t> left;
  for (auto at = root / own;; at = at.parent_path()) {
    const auto limit = number_in(at / "memory.max");
    const auto used = number_in(at / "memory.current");
    if (limit && used) {
      const std::uint64_t here = *limit - std::min(*limit, *used);
      left = std::min(left.value_or(here), here);
    }
    if (at == root || !at.has_relative_path()) return left;
  }
}

}  // namespace

std::uint64_t available_memory_bytes() {
  const std::uint64_t all = available_to_all();
  return std::min(all, left_by_groups().value_or(all));
}

bool is_out_of_memory(const std::exception& e) {
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) return true;
  const std::string_view what = e.what();
  return what.find("not enough memory") != what.npos ||
         what.find("out of memory") != what.npos ||  // CUDA's
         what.find("can't allocate memory") != what.npos;
}

}  // namespace lamina

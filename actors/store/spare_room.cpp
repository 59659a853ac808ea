#include "actors/store/spare_room.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace lamina {
namespace {

/// Less than this lets no deletion through.
constexpr std::uint64_t least = 64u << 10;

}  // namespace

spare_room::spare_room(const std::filesystem::path& directory,
                       std::uint64_t bytes)
    : descriptor_(::open((directory / "spare").c_str(),
                         O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  std::error_code failed;
  const auto there = std::filesystem::space(directory, failed);
  if (descriptor_ < 0 || failed) return;
  wanted_ = std::min<std::uint64_t>(bytes, there.capacity / 8);
  // What an earlier run left is all ours, however full the disk is now.
  struct stat before {};
  if (::fstat(descriptor_, &before) == 0)
    held_ = std::min(static_cast<std::uint64_t>(before.st_size),
                     static_cast<std::uint64_t>(before.st_blocks) * 512);
  const auto free_now = there.available / 2;
  if (held_ < wanted_ && free_now > held_) {
    const auto all = wanted_;
    wanted_ = std::min<std::uint64_t>(wanted_, free_now);
    take();
    wanted_ = all;
  }
}

spare_room::~spare_room() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool spare_room::allocate(std::uint64_t bytes) {
  if (::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) != 0)
    return false;
  held_ = bytes;
  return true;
}

bool spare_room::give() {
  if (held_ == 0 || ::ftruncate(descriptor_, 0) != 0) return false;
  held_ = 0;
  return true;
}

void spare_room::take() {
  for (auto bytes = wanted_; bytes >= least && bytes > held_; bytes /= 2)
    if (allocate(bytes)) return;
}

}  // namespace lamina

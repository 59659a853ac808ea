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
  take_up_to(std::min<std::uint64_t>(wanted_, there.available / 2));
}

spare_room::~spare_room() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool spare_room::give() {
  if (held_ == 0 || ::ftruncate(descriptor_, 0) != 0) return false;
  held_ = 0;
  return true;
}

void spare_room::take() {
  take_up_to(wanted_);
}

/// All of it, else half, and so on; never less than what is held.
void spare_room::take_up_to(std::uint64_t bytes) {
  for (; bytes >= least && bytes > held_; bytes /= 2)
    if (::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) == 0) {
      held_ = bytes;
      return;
    }
}

}  // namespace lamina

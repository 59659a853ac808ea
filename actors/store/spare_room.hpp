// Room on a file system that is kept back for what makes room: a tree that
// copies pages when it changes cannot let go of anything on a disk that is full
// to the last block. A file of allocated blocks lies beside the store; it is
// given up for a deletion that failed, and what that left is taken again.
//
// On a file system that cannot allocate without writing there is none.
#pragma once

#include <cstdint>
#include <filesystem>

namespace lamina {

class spare_room {
 public:
  /// Takes `bytes`, or less on a small file system: an eighth of it at most,
  /// and half of what is free.
  spare_room(const std::filesystem::path& directory, std::uint64_t bytes);
  spare_room(const spare_room&) = delete;
  spare_room& operator=(const spare_room&) = delete;
  ~spare_room();

  std::uint64_t bytes() const { return held_; }

  /// Gives it to the file system; false when there was none.
  bool give();
  /// Takes again what can be had of it. Does nothing when it is all there.
  void take();

 private:
  void take_up_to(std::uint64_t bytes);

  int descriptor_;
  std::uint64_t wanted_ = 0;
  std::uint64_t held_ = 0;
};

}  // namespace lamina

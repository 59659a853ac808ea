#include "actors/store/spare_room.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/store/store_fixture.hpp"

namespace lamina {
namespace {

std::uint64_t allocated(const temporary_directory& directory) {
  struct stat about {};
  if (::stat((directory.path() / "spare").c_str(), &about) != 0) return 0;
  return static_cast<std::uint64_t>(about.st_blocks) * 512;
}

TEST(SpareRoom, IsAllocatedGivenAndTakenAgain) {
  const temporary_directory directory;
  spare_room spare(directory.path(), 1u << 20);
  if (spare.bytes() == 0) GTEST_SKIP() << "nothing can be allocated here";
  EXPECT_EQ(spare.bytes(), 1u << 20);
  EXPECT_GE(allocated(directory), 1u << 20);
  EXPECT_TRUE(spare.give());
  EXPECT_EQ(allocated(directory), 0u);
  EXPECT_FALSE(spare.give()) << "it is gone";
  spare.take();
  EXPECT_EQ(spare.bytes(), 1u << 20);
  EXPECT_GE(allocated(directory), 1u << 20);
}

TEST(SpareRoom, IsFoundAgainAfterARestart) {
  const temporary_directory directory;
  std::uint64_t held = 0;
  {
    const spare_room spare(directory.path(), 1u << 20);
    held = spare.bytes();
  }
  const spare_room again(directory.path(), 1u << 20);
  EXPECT_EQ(again.bytes(), held);
}

TEST(SpareRoom, OfNothingIsNone) {
  const temporary_directory directory;
  spare_room spare(directory.path(), 0);
  EXPECT_EQ(spare.bytes(), 0u);
  EXPECT_FALSE(spare.give());
}

}  // namespace
}  // namespace lamina

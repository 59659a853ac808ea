#include "daemon/log.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

TEST(Log, AMessageBeginsWithItsPart) {
  EXPECT_EQ(part_of("disk: sweep failed"), "disk");
  EXPECT_EQ(part_of("code books: x"), "code books");
  EXPECT_EQ(part_of("SIGTERM: stopping"), "daemon");
  EXPECT_EQ(part_of("disk"), "disk");
  EXPECT_EQ(part_of(""), "daemon");
}

TEST(Log, AnEventIsOneLineAndCommandsNoTerminal) {
  EXPECT_EQ(on_one_line("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(on_one_line("köln"), "köln");
}

}  // namespace
}  // namespace lamina

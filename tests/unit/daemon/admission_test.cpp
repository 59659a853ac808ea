#include "daemon/admission.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Admission, OneAddressCannotTakeAllConnections) {
  admission door({10, 8, 3});
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(door.arrive("10.0.0.1"));
  const auto refused = door.arrive("10.0.0.1");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, error_code::overloaded);
  EXPECT_GT(refused->retry_after_ms, 0u);
  EXPECT_FALSE(door.arrive("10.0.0.2"));
  EXPECT_EQ(door.open(), 4u);
}

TEST(Admission, TcpLeavesRoomForUnixSockets) {
  admission door({10, 4, 4});
  for (int i = 0; i < 4; ++i)
    EXPECT_FALSE(door.arrive("10.0.0." + std::to_string(i)));
  EXPECT_TRUE(door.arrive("10.0.0.9"));
  for (int i = 0; i < 6; ++i)
    EXPECT_FALSE(door.arrive(""));
  EXPECT_TRUE(door.arrive(""));
}

TEST(Admission, WhoLeavesMakesRoom) {
  admission door({1, 1, 1});
  EXPECT_FALSE(door.arrive("10.0.0.1"));
  EXPECT_TRUE(door.arrive("10.0.0.1"));
  door.leave("10.0.0.1");
  EXPECT_FALSE(door.arrive("10.0.0.1"));
}

TEST(Admission, HellosThatFailAreRationedByAddress) {
  admission door({});
  const admission::time_point start;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(door.may_say_hello("10.0.0.1", start));
    door.hello_failed("10.0.0.1", start);
  }
  const auto refused = door.may_say_hello("10.0.0.1", start);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, error_code::overloaded);
  EXPECT_EQ(refused->retry_after_ms, 10'001u);
  EXPECT_FALSE(door.may_say_hello("10.0.0.2", start)) << "others may";
  EXPECT_FALSE(door.may_say_hello("", start)) << "the kernel vouches";
}

TEST(Admission, OneMoreHelloMayFailEveryTenSeconds) {
  admission door({});
  const admission::time_point start;
  for (int i = 0; i < 9; ++i)
    door.hello_failed("10.0.0.1", start);
  EXPECT_TRUE(door.may_say_hello("10.0.0.1", start + milliseconds(9'900)));
  EXPECT_FALSE(door.may_say_hello("10.0.0.1", start + seconds(11)));
  door.hello_failed("10.0.0.1", start + seconds(11));
  EXPECT_TRUE(door.may_say_hello("10.0.0.1", start + seconds(12)));
}

TEST(Admission, AThousandAddressesAreRemembered) {
  admission door({});
  const admission::time_point start;
  for (int i = 0; i < 5; ++i)
    door.hello_failed("first", start);
  EXPECT_TRUE(door.may_say_hello("first", start));
  for (int i = 0; i < 1'000; ++i)
    door.hello_failed(std::to_string(i), start);
  EXPECT_FALSE(door.may_say_hello("first", start)) << "forgotten";
}

}  // namespace
}  // namespace lamina

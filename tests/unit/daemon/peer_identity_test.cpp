#include "daemon/peer_identity.hpp"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace lamina {
namespace {

TEST(PeerIdentity, TheKernelSaysWhoIsAtTheOtherEnd) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const auto who = peer_of(ends[0]);
  ASSERT_TRUE(who) << who.error().context;
  EXPECT_EQ(who.value().uid, geteuid());
  EXPECT_TRUE(who.value().token.empty());
  const auto* own = getgrgid(getegid());
  EXPECT_TRUE(who.value().in_group(own != nullptr ? own->gr_name
                                                  : std::to_string(getegid())));
  close(ends[0]);
  close(ends[1]);
}

TEST(PeerIdentity, WhatIsNoSocketIsNobody) {
  const auto who = peer_of(-1);
  ASSERT_FALSE(who);
  EXPECT_EQ(who.error().code, error_code::io_error);
}

TEST(PeerIdentity, OnePeerHasAWholeNetworkOfVersion6) {
  auto of = [](const char* text) {
    return peer_address(boost::asio::ip::make_address(text));
  };
  EXPECT_EQ(of("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(of("::ffff:10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(of("2001:db8:1:2::9"), "2001:db8:1:2::/64");
}

}  // namespace
}  // namespace lamina

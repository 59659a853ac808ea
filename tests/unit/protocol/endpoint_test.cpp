#include "protocol/endpoint.hpp"

#include <gtest/gtest.h>

namespace lamina {
namespace {

TEST(Endpoint, ReadsUnixPaths) {
  const auto parsed = parse_endpoint("unix:/run/user/1000/lamina.sock");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed.value().kind, endpoint::transport::unix_socket);
  EXPECT_EQ(parsed.value().path, "/run/user/1000/lamina.sock");
}

TEST(Endpoint, ReadsTcpHostsAndBracketedAddresses) {
  const auto named = parse_endpoint("tcp://localhost:7411").value();
  EXPECT_EQ(named.host, "localhost");
  EXPECT_EQ(named.port, 7411);
  const auto v6 = parse_endpoint("tcp://[::1]:65535").value();
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.port, 65535);
}

TEST(Endpoint, ReadsTls) {
  const auto parsed = parse_endpoint("tls://lamina.example:7346").value();
  EXPECT_EQ(parsed.kind, endpoint::transport::tls);
  EXPECT_EQ(parsed.host, "lamina.example");
  EXPECT_EQ(to_string(parsed), "tls://lamina.example:7346");
}

TEST(Endpoint, KnowsWhatOnlyThisMachineCanReach) {
  for (const auto* local :
       {"unix:/s", "tcp://localhost:1", "tcp://127.3.2.1:1", "tls://[::1]:1"})
    EXPECT_TRUE(is_local(parse_endpoint(local).value())) << local;
  for (const auto* far : {"tcp://0.0.0.0:1", "tls://[::]:1", "tcp://10.0.0.1:1",
                          "tcp://lamina.example:1"})
    EXPECT_FALSE(is_local(parse_endpoint(far).value())) << far;
}

TEST(Endpoint, WritesWhatItReads) {
  for (const auto* address : {"unix:relative.sock", "unix:/a b/c",
                              "tcp://127.0.0.1:1", "tcp://[fe80::1]:80"})
    EXPECT_EQ(to_string(parse_endpoint(address).value()), address);
}

TEST(Endpoint, RefusesWhatItCannotMean) {
  const std::string long_path(108, 'a');
  for (const std::string& address :
       {std::string(""), std::string("/run/lamina.sock"), std::string("unix:"),
        "unix:" + long_path, std::string("tcp://host"),
        std::string("tcp://:80"), std::string("tcp://host:0"),
        std::string("tcp://host:65536"), std::string("tcp://host:8a"),
        std::string("tcp://host:"), std::string("tcp://::1:80"),
        std::string("tcp://[::1:80"), std::string("tcp://[]:80"),
        std::string("http://host:80")}) {
    const auto parsed = parse_endpoint(address);
    ASSERT_FALSE(parsed) << address;
    EXPECT_EQ(parsed.error().code, error_code::invalid_argument);
    EXPECT_NE(parsed.error().context.find("'" + address + "'"),
              std::string::npos);
  }
}

TEST(Endpoint, LongestUnixPathIsAccepted) {
  EXPECT_TRUE(parse_endpoint("unix:" + std::string(107, 'a')));
}

TEST(Endpoint, DefaultLiesInTheStateDirectory) {
  EXPECT_EQ(to_string(default_endpoint("/var/state", "/home/ada").value()),
            "unix:/var/state/lamina/lamina.sock");
  for (const char* state : {static_cast<const char*>(nullptr), ""})
    EXPECT_EQ(to_string(default_endpoint(state, "/home/ada").value()),
              "unix:/home/ada/.local/state/lamina/lamina.sock");
  EXPECT_EQ(default_endpoint(nullptr, nullptr).error().code,
            error_code::invalid_argument);
}

}  // namespace
}  // namespace lamina

#include "daemon/peer_identity.hpp"

#include <grp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

namespace lamina {
namespace {

/// A number where the system knows no name.
std::string group_name(gid_t gid) {
  group found{};
  group* there = nullptr;
  std::vector<char> text(16'384);
  if (::getgrgid_r(gid, &found, text.data(), text.size(), &there) != 0 ||
      there == nullptr)
    return std::to_string(gid);
  return there->gr_name;
}

/// The name service may ask a network, and this thread serves all sockets.
const std::string& cached_group_name(gid_t gid) {
  thread_local std::map<gid_t, std::string> known;
  auto [it, added] = known.try_emplace(gid);
  if (added) it->second = group_name(gid);
  return it->second;
}

std::vector<gid_t> groups_of(int socket, gid_t primary) {
  std::vector<gid_t> gids(64);
  socklen_t size = static_cast<socklen_t>(gids.size() * sizeof(gid_t));
  int failed =
      ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, gids.data(), &size);
  if (failed != 0 && errno == ERANGE) {
    gids.resize(size / sizeof(gid_t));
    failed =
        ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, gids.data(), &size);
  }
  gids.resize(failed == 0 ? size / sizeof(gid_t) : 0);
  gids.push_back(primary);
  return gids;
}

}  // namespace

result<principal> peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return fail(error_code::io_error,
                std::string("the kernel does not say who connected: ") +
                    std::strerror(errno));
  principal who(peer.uid);
  auto names = std::make_shared<std::vector<std::string>>();
  for (const auto gid : groups_of(socket, peer.gid))
    names->push_back(cached_group_name(gid));
  who.groups = std::move(names);
  return who;
}

std::string peer_address(const boost::asio::ip::address& address) {
  if (!address.is_v6()) return address.to_string();
  auto v6 = address.to_v6();
  if (v6.is_v4_mapped())
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6)
        .to_string();
  auto bytes = v6.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return boost::asio::ip::address_v6(bytes).to_string() + "/64";
}

}  // namespace lamina

// Who is at the other end of a socket, as the kernel says. Groups are looked up
// by the system's name service, once each.
#pragma once

#include <utility>

#include <boost/asio/ip/address.hpp>
#include <string>

#include "actors/principal.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// Of a connected Unix socket: the uid that connected, and its groups then.
/// io_error when the kernel does not say.
result<principal> peer_of(int socket);

/// What an address counts as: an IPv6 one is its /64, of which one peer has
/// all.
std::string peer_address(const boost::asio::ip::address& address);

}  // namespace lamina

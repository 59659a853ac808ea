// What the configuration means for the listener: opens its addresses, reads
// the tokens and the certificate.
#pragma once

#include "daemon/configuration.hpp"
#include "daemon/listener.hpp"

namespace lamina {

/// Reads the files that the configuration names. invalid_argument, forbidden:
/// one of them cannot be used.
result<listener_rules> listener_rules_of(const configuration& c);

/// All addresses of the configuration; those that systemd handed over instead
/// of the Unix sockets among them, when it did.
result<std::vector<std::unique_ptr<acceptor>>> open_addresses(
    boost::asio::io_context& io, const configuration& c);

}  // namespace lamina

// TLS of the daemon: version 1.3 only, with a certificate chain and its key in
// PEM files.
#pragma once

#include <filesystem>

#include "daemon/byte_stream.hpp"
#include "protocol/error.hpp"

namespace lamina {

/// invalid_argument names the file that cannot be used, and why; forbidden:
/// others may read the key.
result<byte_stream::tls_context> make_tls_context(
    const std::filesystem::path& certificate, const std::filesystem::path& key);

}  // namespace lamina

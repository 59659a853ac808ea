#include "daemon/tls.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lamina {

namespace ssl = boost::asio::ssl;

namespace {

/// OpenSSL's own words for this are none.
result<void> check_readable(const std::filesystem::path& file) {
  if (::access(file.c_str(), R_OK) == 0) return success();
  return fail(error_code::invalid_argument,
              "cannot read " + file.string() + ": " + std::strerror(errno));
}

}  // namespace

result<byte_stream::tls_context> make_tls_context(
    const std::filesystem::path& certificate,
    const std::filesystem::path& key) {
  BOOST_OUTCOME_TRYV(check_readable(certificate));
  BOOST_OUTCOME_TRYV(check_readable(key));
  struct stat found {};
  if (::stat(key.c_str(), &found) == 0 && (found.st_mode & 0007) != 0)
    return fail(error_code::forbidden,
                key.string() + " can be used by everybody: chmod 0640 it");
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_3_VERSION);
  boost::system::error_code failed;
  context->use_certificate_chain_file(certificate.string(), failed);
  if (failed)
    return fail(error_code::invalid_argument, "cannot use the certificate in " +
                                                  certificate.string() + ": " +
                                                  failed.message());
  context->use_private_key_file(key.string(), ssl::context::pem, failed);
  if (failed)
    return fail(
        error_code::invalid_argument,
        "cannot use the key in " + key.string() + ": " + failed.message());
  return context;
}

}  // namespace lamina

#include "daemon/tls.hpp"

#include <sys/stat.h>

namespace lamina {

namespace ssl = boost::asio::ssl;

result<byte_stream::tls_context> make_tls_context(
    const std::filesystem::path& certificate,
    const std::filesystem::path& key) {
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

// The bytes of one connection, whatever carries them: a Unix socket, TCP, or
// TLS over TCP. Used on the listener's thread only. One read and one write may
// be under way at a time; close() ends both.
#pragma once

#include <utility>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace lamina {

class byte_stream {
 public:
  using socket = boost::asio::generic::stream_protocol::socket;
  using outcome = boost::system::error_code;
  using tls_context = std::shared_ptr<boost::asio::ssl::context>;

  virtual ~byte_stream() = default;

  virtual boost::asio::any_io_executor executor() = 0;

  /// Before the first byte: TLS greets, others do nothing.
  virtual boost::asio::awaitable<outcome> greet() = 0;

  /// Fills all of it.
  virtual boost::asio::awaitable<outcome> read(
      boost::asio::mutable_buffer into) = 0;

  /// Writes all of it; `progress` is called whenever some of it went out.
  virtual boost::asio::awaitable<outcome> write(
      const std::vector<boost::asio::const_buffer>& from,
      std::function<void()> progress) = 0;

  virtual void close() = 0;
};

std::unique_ptr<byte_stream> make_plain_stream(byte_stream::socket s);

/// `context` is kept as long as the stream.
std::unique_ptr<byte_stream> make_tls_stream(byte_stream::socket s,
                                             byte_stream::tls_context context);

}  // namespace lamina

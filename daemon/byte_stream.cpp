#include "daemon/byte_stream.hpp"

namespace lamina {
namespace {

namespace asio = boost::asio;
using asio::use_awaitable;

template <class Stream>
class stream_of : public byte_stream {
 public:
  template <class... Args>
  explicit stream_of(Args&&... args) : stream_(std::forward<Args>(args)...) {}

  asio::any_io_executor executor() override { return stream_.get_executor(); }

  asio::awaitable<outcome> read(asio::mutable_buffer into) override {
    outcome failed;
    co_await asio::async_read(stream_, into,
                              asio::redirect_error(use_awaitable, failed));
    co_return failed;
  }

  asio::awaitable<outcome> write(const std::vector<asio::const_buffer>& from,
                                 std::function<void()> progress) override {
    outcome failed;
    auto more = [&progress](const outcome& problem, std::size_t) {
      progress();
      constexpr std::size_t at_once_max = 65'536;
      return problem ? std::size_t{0} : at_once_max;
    };
    co_await asio::async_write(stream_, from, more,
                               asio::redirect_error(use_awaitable, failed));
    co_return failed;
  }

  void close() override {
    outcome ignored;
    stream_.lowest_layer().shutdown(socket::shutdown_both, ignored);
    stream_.lowest_layer().close(ignored);
  }

 protected:
  Stream stream_;
};

class plain_stream final : public stream_of<byte_stream::socket> {
 public:
  using stream_of::stream_of;
  asio::awaitable<outcome> greet() override { co_return outcome{}; }
};

class tls_stream final
    : public stream_of<asio::ssl::stream<byte_stream::socket>> {
 public:
  tls_stream(byte_stream::socket s, tls_context context)
      : stream_of(std::move(s), *context), context_(std::move(context)) {}

  asio::awaitable<outcome> greet() override {
    outcome failed;
    co_await stream_.async_handshake(
        asio::ssl::stream_base::server,
        asio::redirect_error(use_awaitable, failed));
    co_return failed;
  }

 private:
  tls_context context_;
};

}  // namespace

std::unique_ptr<byte_stream> make_plain_stream(byte_stream::socket s) {
  return std::make_unique<plain_stream>(std::move(s));
}

std::unique_ptr<byte_stream> make_tls_stream(byte_stream::socket s,
                                             byte_stream::tls_context context) {
  return std::make_unique<tls_stream>(std::move(s), std::move(context));
}

}  // namespace lamina

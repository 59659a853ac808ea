// Metrics over HTTP, on an address of their own that only this machine can
// reach: GET /metrics, one answer a connection. Runs on the sockets' thread.
#pragma once

#include <cstdint>
#include <memory>

#include "actors/interfaces.hpp"
#include "daemon/acceptor.hpp"

namespace lamina {

class metrics_server {
 public:
  metrics_server(boost::asio::io_context& io, std::unique_ptr<acceptor> at)
      : io_(io), at_(std::move(at)) {}

  /// Must go before `sys`.
  void serve(caf::actor_system& sys, supervisor_actor supervisor);
  void stop() { at_->close(); }

 private:
  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> answer(std::shared_ptr<byte_stream> peer);
  boost::asio::awaitable<std::string> collect();

  boost::asio::io_context& io_;
  std::unique_ptr<acceptor> at_;
  caf::actor_system* sys_ = nullptr;
  supervisor_actor supervisor_;
  std::uint32_t open_ = 0;
};

}  // namespace lamina

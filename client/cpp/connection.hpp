// A client's end of one connection: writes a request's frame, reads the
// answer's frames, passes a cancel on while it waits. Owned by `client`, used
// by one thread; only cancel_running() may be called from elsewhere.
//
// Reads wait in Asio for three things at once: the socket, an eventfd that
// cancel_running() writes to, and a deadline during the handshake.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/byte_buffer.hpp"
#include "protocol/endpoint.hpp"
#include "protocol/error.hpp"
#include "protocol/frame.hpp"

namespace lamina {

/// A response, taken apart.
struct received_frame {
  frame_header header;
  wire::BodyUnion body;
  std::span<const std::byte> payload;  // until the next frame is read
};

class connection {
 public:
  /// unavailable: nobody answers there in time; invalid_argument: no such host;
  /// forbidden: the socket is not for this user, or, over TLS, the daemon is
  /// not who the certificate authorities vouch for. `tls_ca`: a PEM file of
  /// those to trust; empty: the system's. `ms_max` bounds the greeting of TLS.
  static result<std::unique_ptr<connection>> open(const endpoint& address,
                                                  const std::string& tls_ca,
                                                  std::uint32_t ms_max);

  /// Takes over a connected stream socket; closes it also on failure.
  static result<std::unique_ptr<connection>> adopt(int socket);

  ~connection();

  /// Called for every response but a terminal Error. An error it returns
  /// cancels the request; it is then not called again.
  using part_handler = std::function<result<void>(const received_frame&)>;

  /// Sends a request and reads until its terminal response: success after
  /// on_part saw the last one, else the Error of the daemon, the error of
  /// on_part, or unavailable when the connection is lost. `ms_max` 0: waits as
  /// long as it takes. Search and Put requests may have a payload.
  result<void> exchange(const wire::BodyUnion& request,
                        const part_handler& on_part, std::uint32_t ms_max = 0,
                        std::span<const std::byte> payload = {});

  void cancel_running() noexcept;

 private:
  struct sockets;
  explicit connection(std::unique_ptr<sockets> opened);
  result<void> greet_tls(const endpoint& address, const std::string& tls_ca,
                         std::uint32_t ms_max);

  result<void> write(std::span<const std::byte> head,
                     std::span<const std::byte> payload = {});
  result<void> read(std::byte* into, std::size_t size);
  result<received_frame> read_frame();
  result<void> read_answer(std::uint32_t request, const part_handler& on_part);
  void send_cancel(std::uint32_t request);
  void watch_cancel();
  void watch_deadline(std::uint32_t request, std::uint32_t ms_max);
  error lost(std::string sentence);

  std::unique_ptr<sockets> sockets_;
  std::uint32_t last_request_ = 0;
  std::uint32_t running_ = 0;  // request that a cancel means; 0: none
  bool cancel_sent_ = false;
  bool deadline_passed_ = false;
  byte_buffer payload_;       // of the last response
  std::string lost_because_;  // empty while the connection is good
};

}  // namespace lamina

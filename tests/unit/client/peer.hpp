// The daemon's end of a socket pair for tests of the client: a script says
// what it expects to read and what it answers.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "client/cpp/client.hpp"
#include "protocol/frame.hpp"

namespace lamina {

/// Runs in a thread of its own; blocking reads and writes.
class peer {
 public:
  explicit peer(int socket) : socket_(socket) {}
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;
  ~peer() { hang_up(); }

  void hang_up() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  /// The next request; NONE when the client hung up.
  wire::BodyUnion receive() {
    std::vector<std::byte> frame(frame_header_bytes);
    if (!read(frame.data(), frame.size())) return {};
    const auto header = decode_header(frame).value();
    frame.resize(frame_header_bytes + header.body_bytes());
    if (!read(frame.data() + frame_header_bytes, header.body_bytes()))
      return {};
    request_ = header.request;
    const auto view = decode_frame(frame).value();
    payload_.assign(view.payload.begin(), view.payload.end());
    return decode_request(view.control).value();
  }

  /// Of the request received last.
  const std::vector<std::byte>& payload() const { return payload_; }

  std::uint32_t request() const { return request_; }

  void send(frame_kind kind, wire::BodyUnion body,
            std::span<const std::byte> payload = {}) {
    send_to(request_, kind, std::move(body), payload);
  }
  void send_to(std::uint32_t request, frame_kind kind, wire::BodyUnion body,
               std::span<const std::byte> payload = {}) {
    send_bytes(encode_frame(kind, request, body, payload));
  }
  void send_bytes(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto sent =
          ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
  }

  void welcome() {
    ASSERT_NE(receive().AsHello(), nullptr);
    wire::WelcomeT native;
    native.server = "peer";
    send(frame_kind::terminal, make_body(native));
  }

 private:
  bool read(std::byte* into, std::size_t size) {
    return ::recv(socket_, into, size, MSG_WAITALL) ==
           static_cast<ssize_t>(size);
  }

  int socket_;
  std::uint32_t request_ = 0;
  std::vector<std::byte> payload_;
};

class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override {
    client_.reset();
    if (thread_.joinable()) thread_.join();
  }

  /// Plays `script` behind a socket whose near end is returned.
  template <class Script>
  int play(Script script) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    thread_ = std::thread([script, far = ends[1]] {
      peer other(far);
      script(other);
    });
    return ends[0];
  }

  /// A client that was welcomed; then `script`.
  template <class Script>
  client& greeted(Script script) {
    auto connected = client::adopt(play([script](peer& other) {
      other.welcome();
      script(other);
    }));
    EXPECT_TRUE(connected);
    client_.emplace(std::move(connected).value());
    return *client_;
  }

  std::optional<client> client_;
  std::thread thread_;
};

}  // namespace lamina

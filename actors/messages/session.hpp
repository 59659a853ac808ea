// Messages of a session and its requests: frames in, frames out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "actors/messages/message.hpp"
#include "protocol/byte_buffer.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"

namespace lamina {

/// A frame came in. Only Search and Put may have a payload; null: none.
struct frame_received {
  std::uint32_t request = 0;
  std::shared_ptr<const wire::BodyUnion> body;
  std::shared_ptr<const byte_buffer> payload = nullptr;
};

/// The connection wrote frames up to this sequence number.
struct frames_written {
  std::uint64_t sequence = 0;
};

/// The peer is gone, or the daemon stops: what is queued is still written.
struct connection_closed {};

/// A request's answer on its way out. The reply comes when it is on the wire,
/// so whoever waits for it streams no faster than the peer reads.
struct send_frame {
  std::uint32_t request = 0;
  frame_kind kind = frame_kind::response;
  outgoing_frame_ptr frame;
  std::uint16_t failed = 0;  // a terminal's error code; 0: it is none
};

struct frame_sent {};

struct cancel_request {};

/// A request's last frame is on its way.
struct request_ended {
  wire::Body type = wire::Body::NONE;
  std::uint16_t failed = 0;  // an error code; 0: it did not fail
  std::uint64_t took_us = 0;
};

struct get_request_statistics {};

}  // namespace lamina

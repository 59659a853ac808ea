// A frame as it would come over a socket.
#pragma once

#include <vector>

#include "protocol/frame.hpp"

namespace lamina {

inline std::vector<std::byte> joined(const outgoing_frame& frame) {
  auto whole = frame.head;
  const auto& payload = frame.payload.bytes;
  whole.insert(whole.end(), payload.begin(), payload.end());
  return whole;
}

}  // namespace lamina

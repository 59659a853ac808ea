// One message of every type, all fields set, for tests that must treat every
// type alike.
#pragma once

#include <string>
#include <vector>

#include "protocol/message.hpp"

namespace lamina::samples {

/// In the order of the union, so that a missing type shows as a gap.
std::vector<wire::BodyUnion> every_message();

/// FlatBuffers bytes of a message: equal messages give equal bytes.
std::string packed(const wire::BodyUnion& body);

/// Hexadecimal digits to bytes; spaces and line ends are skipped.
std::vector<std::byte> from_hex(std::string_view digits);
std::string to_hex(std::span<const std::byte> bytes);

}  // namespace lamina::samples

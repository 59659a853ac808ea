// What a verified message would take once unpacked.
//
// FlatBuffers' verifier accepts a vector whose million entries all refer to
// one large string; unpacking would copy it a million times. This walks what
// unpacking would walk, counts, and stops at limits::unpacked_bytes_max. Pure;
// any thread.
#pragma once

#include "protocol/error.hpp"
#include "protocol/lamina_generated.h"

namespace lamina {

/// limit_exceeded when unpacking `message`, which must have passed the
/// verifier, would take more than limits::unpacked_bytes_max, or when a
/// Generate or a Search holds more or longer strings than limits.hpp allows.
result<void> check_unpack_budget(const wire::Message& message);

}  // namespace lamina

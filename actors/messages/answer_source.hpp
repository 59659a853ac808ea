// Where an answer came from.
#pragma once

#include <cstdint>

namespace lamina {

/// Where an answer came from.
enum class answer_source : std::uint8_t { memory, disk, recomputed };

}  // namespace lamina

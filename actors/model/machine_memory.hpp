// How much memory this process may still take. Any thread.
#pragma once

#include <cstdint>

namespace lamina {

/// What the kernel calls available, or less where a control group of the
/// process allows less. Weights that are only mapped do not count: the kernel
/// takes their pages back. 0 when /proc does not say.
std::uint64_t available_memory_bytes();

}  // namespace lamina

// How much memory this process may still take, and whether that is what an
// exception says. Any thread.
#pragma once

#include <cstdint>
#include <exception>

namespace lamina {

/// What the kernel calls available, or less where a control group of the
/// process allows less. Weights that are only mapped do not count: the kernel
/// takes their pages back. 0 when /proc does not say.
std::uint64_t available_memory_bytes();

/// std::bad_alloc, or what libtorch throws in its place, of the heap's memory
/// or a device's.
bool is_out_of_memory(const std::exception& e);

}  // namespace lamina

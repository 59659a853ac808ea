// This test program's operator new, which can be told to refuse. In a source of
// its own, so that the compiler does not see through it.
#pragma once

#include <cstddef>

namespace lamina::test {

/// The next `times` allocations of `bytes` or more throw std::bad_alloc.
void refuse_allocations(std::size_t bytes, int times);

}  // namespace lamina::test

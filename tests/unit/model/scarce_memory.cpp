#include "tests/unit/model/scarce_memory.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> refused_from{SIZE_MAX};
std::atomic<int> refusals_left{0};

}  // namespace

void lamina::test::refuse_allocations(std::size_t bytes, int times) {
  refused_from = bytes;
  refusals_left = times;
}

void* operator new(std::size_t bytes) {
  if (bytes >= refused_from && refusals_left > 0) {
    --refusals_left;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

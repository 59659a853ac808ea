// Bytes that are about to be overwritten: a vector that does not clear them
// first. A buffer of megabytes that a socket or a decoder fills would be
// written twice otherwise, and its pages taken before anything came.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace lamina {

/// As std::allocator, but elements made without a value have any value.
template <class T>
struct uncleared_allocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = uncleared_allocator<U>;
  };

  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Arguments>
  void construct(U* at, Arguments&&... arguments) {
    ::new (static_cast<void*>(at)) U(std::forward<Arguments>(arguments)...);
  }
};

using byte_buffer = std::vector<std::byte, uncleared_allocator<std::byte>>;

}  // namespace lamina

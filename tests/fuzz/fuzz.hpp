// What the fuzz targets share. A target is one file with one function: it gets
// any bytes, does what the daemon would do with them, and aborts when a promise
// is broken. The fuzzer and the sanitisers notice the rest: reads outside,
// undefined behaviour, leaks, time, memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

// libFuzzer's own name for it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size);

namespace lamina::fuzz {

/// A promise about any input; unlike an assertion it holds in every build.
inline void expect(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// Every refusal has a sentence, and is not `internal`: that is for bugs.
inline void expect_clear(const error& e) {
  expect(!e.context.empty(), "an error says what is wrong");
  expect(e.code != error_code::internal, "bad input is not a bug of ours");
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* first,
                                           std::size_t size) {
  return std::as_bytes(std::span(first, size));
}

/// A file in memory with these bytes, for readers that take a path.
class memory_file {
 public:
  explicit memory_file(std::span<const std::byte> bytes)
      : descriptor_(::memfd_create("input", 0)) {
    expect(descriptor_ >= 0, "a file in memory can be made");
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    expect(written == static_cast<ssize_t>(bytes.size()), "it takes the bytes");
  }
  memory_file(const memory_file&) = delete;
  memory_file& operator=(const memory_file&) = delete;
  ~memory_file() { ::close(descriptor_); }

  std::filesystem::path path() const {
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

}  // namespace lamina::fuzz

// The daemon's configuration file.
#include "daemon/configuration.hpp"

#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  const fuzz::memory_file file(fuzz::bytes_of(first, size));
  const auto read = read_configuration(file.path());
  if (read.has_error()) {
    fuzz::expect_clear(read.error());
    return 0;
  }
  fuzz::expect(is_log_level(read.value().log_level), "log levels are known");
  fuzz::expect(read.value().memory_bytes_max >= 1u << 20,
               "sizes are at least a megabyte");
  return 0;
}

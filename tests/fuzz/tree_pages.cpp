// An LMDB file with any bytes in it: the walk over its pages, which decides
// after an unclean exit whether LMDB may open it, trusts none of them.
#include "actors/store/page_check.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  const fuzz::memory_file file(fuzz::bytes_of(first, size));
  const auto census = check_pages(file.path());
  is_shorter_than_it_says(file.path());
  if (census.has_error()) {
    fuzz::expect_clear(census.error());
    return 0;
  }
  fuzz::expect(census.value().free_pages <= census.value().pages,
               "no more pages are free than there are");
  return 0;
}

// A conversation's file on its way to the daemon: the whole input is the file.
// What passes the reader's checks is read to its end, chunk by chunk.
#include "client/cli/conversation_file.hpp"
#include "protocol/limits.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace lamina {
namespace {

std::size_t row_bytes_of(const wire::PutConversationT& declared) {
  std::size_t slots = 0;
  for (const auto number : declared.sites)
    slots += is_per_layer(static_cast<site>(number)) ? declared.layers : 1;
  return slots * declared.width * size_of(static_cast<dtype>(declared.dtype));
}

template <class Read>
void read_all(position_span range, std::size_t bytes, const Read& read) {
  std::vector<std::byte> into;
  for (; range.begin < range.end; ++range.begin) {
    into.resize(bytes);
    const result<void> done = read({range.begin, range.begin + 1}, into);
    fuzz::expect(done.has_value(), "what was checked can be read");
  }
}

void read_to_the_end(const brought_conversation& what) {
  const auto size = what.tokens.size();
  fuzz::expect(size > 0 && size <= limits::positions_max,
               "there are tokens, and not too many");
  for (const auto& span : what.rows) {
    fuzz::expect(span.end <= size, "rows belong to tokens");
    read_all(span, row_bytes_of(what.declared), what.read_rows);
    fuzz::expect(what.relative_error(span.begin) >= 0, "an error is no less");
  }
  for (const auto& range : what.lens) {
    fuzz::expect(range.positions.end <= size, "records belong to tokens");
    read_all(range.positions,
             (std::size_t{what.declared.layers} + 1) * lens_record_bytes,
             what.read_lens);
  }
}

}  // namespace
}  // namespace lamina

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* first,
                                      std::size_t size) {
  using namespace lamina;
  const fuzz::memory_file input(fuzz::bytes_of(first, size));
  auto file = cli::safetensors_file::open(input.path());
  if (file.has_error()) {
    fuzz::expect_clear(file.error());
    return 0;
  }
  const auto what = cli::read_conversation_file(
      std::make_shared<cli::safetensors_file>(std::move(file).value()));
  if (what.has_error())
    fuzz::expect_clear(what.error());
  else
    read_to_the_end(what.value());
  return 0;
}
